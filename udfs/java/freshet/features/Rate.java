package freshet.features;

/**
 * The share of the window's events that have the value 1, not 0, pulled towards a prior: (ones + weight * prior) / (events +
 * weight). Null when there are no events and the prior has no weight.
 */
final class Rate extends Window {
    private final double prior;
    private final double weight;

    Rate(long window, long slide, double prior, double weight) {
        super(window, slide, 2);
        this.prior = prior;
        this.weight = weight;
    }

    @Override
    void add(double[] cells, int at, double value) {
        boolean first = Double.isNaN(cells[at]);
        cells[at] = first ? 1.0 : cells[at] + 1.0;
        cells[at + 1] = first ? value : cells[at + 1] + value;
    }

    @Override
    Object fold(Panes state, int from, long now) {
        double events = weight;
        double ones = weight * prior;
        for (int at = 2 * from; at < state.cells.length; at += 2) {
            events += state.cells[at];
            ones += state.cells[at + 1];
        }
        return events == 0.0 ? null : ones / events;
    }
}
