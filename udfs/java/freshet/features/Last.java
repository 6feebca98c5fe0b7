package freshet.features;

/** The value of the latest event that has one; null when there is none. */
final class Last extends LatestValues {

    Last(long window) {
        super(1, window);
    }

    @Override
    boolean add(Latest state, Object value, long time, long position, long now) {
        if (value != null) {
            state.add(value, time, position, n);
        }
        return true;
    }

    @Override
    Object result(Latest state, long now) {
        return within(state, now) == 0 ? null : state.values[0];
    }
}
