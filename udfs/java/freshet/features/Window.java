package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/**
 * A sliding window of {@code window / slide} panes, the one that holds {@code now} included: what a HOP window holds when it
 * is about to close. An event joins its pane whenever it comes; one whose pane has left the window changes nothing.
 */
abstract class Window extends Aggregate<Panes> {
    final long panesInWindow;
    final long slide;
    private final int width;

    Window(long window, long slide, int width) {
        this.panesInWindow = window / slide;
        this.slide = slide;
        this.width = width;
    }

    /** Adds a value to the cells of its pane; they are NaN when it is the first. */
    abstract void add(double[] cells, int at, double value);

    /** Folds the panes {@code from} to the last into the value. */
    abstract Object fold(Panes state, int from, long now);

    @Override
    Panes zero() {
        return new Panes();
    }

    @Override
    boolean add(Panes state, Object value, long time, long position, long now) {
        if (value == null) {
            return true;
        }
        long oldest = oldest(now);
        long pane = Math.floorDiv(time, slide);
        state.dropBefore(oldest, width);
        if (pane >= oldest) {
            int at = state.cellsOf(pane, width);
            add(state.cells, at, value instanceof Double ? (Double) value : 1.0);
        }
        return true;
    }

    @Override
    boolean isOutside(long time, long now) {
        return Math.floorDiv(time, slide) < oldest(now);
    }

    @Override
    Object result(Panes state, long now) {
        long oldest = oldest(now);
        int from = 0;
        while (from < state.panes.length && state.panes[from] < oldest) {
            from++;
        }
        return fold(state, from, now);
    }

    @Override
    long expiry(Panes state, long now) {
        int last = state.panes.length - 1;
        return last < 0 || state.panes[last] < oldest(now) ? NEVER : (state.panes[last] + panesInWindow) * slide;
    }

    long oldest(long now) {
        return Math.floorDiv(now, slide) - panesInWindow + 1;
    }

    @Override
    void write(Panes state, DataOutput out) throws IOException {
        state.write(out);
    }

    @Override
    Panes read(DataInput in) throws IOException {
        return Panes.read(in);
    }
}
