package freshet.features;

/**
 * The {@code n} values seen last, each once, newest first. A value stands where its latest event stands.
 *
 * <p>It is exact whatever the order of arrival: a value's latest event and the n-th latest of all only grow, so one that has
 * fallen out comes back only with a newer event.
 */
final class LastNDistinct extends LatestValues {

    LastNDistinct(int n, long window) {
        super(n, window);
    }

    @Override
    boolean add(Latest state, Object value, long time, long position, long now) {
        if (value != null) {
            place(state, value, time, position, n);
        }
        return true;
    }

    static void place(Latest state, Object value, long time, long position, int n) {
        int known = state.indexOf(value);
        if (known >= 0 && state.isAfter(known, time, position)) {
            return;
        }
        if (known >= 0) {
            state.remove(known);
        }
        state.add(value, time, position, n);
    }

    @Override
    Object result(Latest state, long now) {
        return texts(state, within(state, now));
    }
}
