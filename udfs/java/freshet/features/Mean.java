package freshet.features;

/** The arithmetic mean of the values in the window; null when it holds none. */
final class Mean extends Window {
    Mean(long window, long slide) {
        super(window, slide, 2);
    }

    @Override
    void add(double[] cells, int at, double value) {
        boolean first = Double.isNaN(cells[at]);
        cells[at] = first ? 1.0 : cells[at] + 1.0;
        cells[at + 1] = first ? value : cells[at + 1] + value;
    }

    @Override
    Object fold(Panes state, int from, long now) {
        double count = 0.0;
        double sum = 0.0;
        for (int at = 2 * from; at < state.cells.length; at += 2) {
            count += state.cells[at];
            sum += state.cells[at + 1];
        }
        return count == 0.0 ? null : sum / count;
    }
}
