package freshet.features;

/** How many events with a value the window holds. */
final class Count extends Window {
    Count(long window, long slide) {
        super(window, slide, 1);
    }

    @Override
    void add(double[] cells, int at, double value) {
        cells[at] = Double.isNaN(cells[at]) ? 1.0 : cells[at] + 1.0;
    }

    @Override
    Object fold(Panes state, int from, long now) {
        double count = 0.0;
        for (int at = from; at < state.panes.length; at++) {
            count += state.cells[at];
        }
        return (long) count;
    }
}
