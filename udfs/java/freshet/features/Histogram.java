package freshet.features;

/** How many events with a value each pane of the window holds, the newest pane first. */
final class Histogram extends Window {
    Histogram(long window, long slide) {
        super(window, slide, 1);
    }

    @Override
    void add(double[] cells, int at, double value) {
        cells[at] = Double.isNaN(cells[at]) ? 1.0 : cells[at] + 1.0;
    }

    @Override
    Object fold(Panes state, int from, long now) {
        long[] counts = new long[(int) panesInWindow];
        long newest = Math.floorDiv(now, slide);
        for (int at = from; at < state.panes.length; at++) {
            counts[(int) (newest - state.panes[at])] = (long) state.cells[at];
        }
        return counts;
    }
}
