package freshet.features;

/** Seconds from the first to the last event of the current session. */
final class SessionDuration extends Sessions {

    SessionDuration(long gap) {
        super(gap, 0);
    }

    @Override
    Object current(Runs state, int last) {
        return (state.ends[last] - state.starts[last]) / 1000.0;
    }

    @Override
    Object none() {
        return 0.0;
    }
}
