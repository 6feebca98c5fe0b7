package freshet.features;

/** How many events with a value the current session has. */
final class SessionCount extends Sessions {

    SessionCount(long gap) {
        super(gap, 0);
    }

    @Override
    Object current(Runs state, int last) {
        return state.counts[last];
    }

    @Override
    Object none() {
        return 0L;
    }
}
