package freshet.features;

/**
 * The sample standard deviation of the values in the window; null when it holds fewer than two.
 *
 * <p>Each pane keeps count, mean and the sum of squared deviations; a value is added by Welford's method and panes are joined
 * by that of Chan, Golub and LeVeque ("Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979), so
 * large values of small spread lose no digits.
 */
final class StdDev extends Window {
    StdDev(long window, long slide) {
        super(window, slide, 3);
    }

    @Override
    void add(double[] cells, int at, double value) {
        boolean first = Double.isNaN(cells[at]);
        double count = first ? 1.0 : cells[at] + 1.0;
        double before = first ? 0.0 : value - cells[at + 1];
        cells[at] = count;
        cells[at + 1] = first ? value : cells[at + 1] + before / count;
        cells[at + 2] = first ? 0.0 : cells[at + 2] + before * (value - cells[at + 1]);
    }

    @Override
    Object fold(Panes state, int from, long now) {
        double count = 0.0;
        double mean = 0.0;
        double squares = 0.0;
        for (int at = 3 * from; at < state.cells.length; at += 3) {
            double more = state.cells[at];
            double apart = state.cells[at + 1] - mean;
            squares += state.cells[at + 2] + apart * apart * count * more / (count + more);
            count += more;
            mean += apart * more / count;
        }
        return count < 2.0 ? null : Math.sqrt(squares / (count - 1.0));
    }
}
