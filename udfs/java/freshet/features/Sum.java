package freshet.features;

/** The sum of the values in the window; 0.0 when it holds none. */
final class Sum extends Window {
    Sum(long window, long slide) {
        super(window, slide, 1);
    }

    @Override
    void add(double[] cells, int at, double value) {
        cells[at] = Double.isNaN(cells[at]) ? value : cells[at] + value;
    }

    @Override
    Object fold(Panes state, int from, long now) {
        double sum = 0.0;
        for (int at = from; at < state.panes.length; at++) {
            sum += state.cells[at];
        }
        return sum;
    }
}
