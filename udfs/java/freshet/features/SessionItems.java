package freshet.features;

/** The {@code n} latest different values of the current session, newest first. */
final class SessionItems extends Sessions {

    SessionItems(long gap, int n) {
        super(gap, n);
    }

    @Override
    Object current(Runs state, int last) {
        return LatestValues.texts(state.values[last], state.values[last].times.length);
    }

    @Override
    Object none() {
        return new String[0];
    }
}
