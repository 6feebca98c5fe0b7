package freshet.features;

/** How many different values the current session has. */
final class SessionDepth extends Sessions {

    SessionDepth(long gap) {
        super(gap, Integer.MAX_VALUE);
    }

    @Override
    Object current(Runs state, int last) {
        return (long) state.values[last].values.length;
    }

    @Override
    Object none() {
        return 0L;
    }
}
