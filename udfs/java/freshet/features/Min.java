package freshet.features;

/** The smallest of the values in the window; null when it holds none. */
final class Min extends Window {
    Min(long window, long slide) {
        super(window, slide, 1);
    }

    @Override
    void add(double[] cells, int at, double value) {
        cells[at] = Double.isNaN(cells[at]) ? value : Math.min(cells[at], value);
    }

    @Override
    Object fold(Panes state, int from, long now) {
        if (from == state.panes.length) {
            return null;
        }
        double best = state.cells[from];
        for (int at = from + 1; at < state.panes.length; at++) {
            best = Math.min(best, state.cells[at]);
        }
        return best;
    }
}
