package freshet.features;

/** The values of the {@code n} latest events that have one, newest first; {@link LastNDistinct} has each once. */
final class LastN extends LatestValues {

    LastN(int n, long window) {
        super(n, window);
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
        return texts(state, within(state, now));
    }
}
