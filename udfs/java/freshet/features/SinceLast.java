package freshet.features;

/** Seconds since the latest event that has a value; null when there is none. It grows with the time of reading. */
final class SinceLast extends LatestValues {

    SinceLast() {
        super(1, 0);
    }

    @Override
    boolean add(Latest state, Object value, long time, long position, long now) {
        if (value != null) {
            state.add(1.0, time, 0, 1);
        }
        return true;
    }

    @Override
    Object result(Latest state, long now) {
        return state.times.length == 0 ? null : (now - state.times[0]) / 1000.0;
    }
}
