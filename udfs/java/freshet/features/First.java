package freshet.features;

/** The value of the earliest event that has one; null when there is none. */
final class First extends LatestValues {

    First() {
        super(1, 0);
    }

    @Override
    boolean add(Latest state, Object value, long time, long position, long now) {
        if (value != null && (state.times.length == 0 || state.isAfter(0, time, position))) {
            Latest earlier = new Latest();
            earlier.add(value, time, position, 1);
            state.times = earlier.times;
            state.positions = earlier.positions;
            state.values = earlier.values;
        }
        return true;
    }

    @Override
    Object result(Latest state, long now) {
        return state.times.length == 0 ? null : state.values[0];
    }
}
