package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/** A few numbers for each pane of time that had an event, oldest first. A pane is numbered {@code time / slide}. */
final class Panes {
    long[] panes = {};
    double[] cells = {};

    /** Returns where the cells of a pane begin, having made room for them if it is new; new cells are NaN. */
    int cellsOf(long pane, int width) {
        int at = panes.length > 0 && panes[panes.length - 1] == pane
                ? panes.length - 1
                : Arrays.binarySearch(panes, pane);
        if (at < 0) {
            at = -at - 1;
            insert(at, pane, width);
        }
        return at * width;
    }

    /** Forgets the panes before {@code oldest}. */
    void dropBefore(long oldest, int width) {
        int from = 0;
        while (from < panes.length && panes[from] < oldest) {
            from++;
        }
        if (from > 0) {
            panes = Arrays.copyOfRange(panes, from, panes.length);
            cells = Arrays.copyOfRange(cells, from * width, cells.length);
        }
    }

    private void insert(int at, long pane, int width) {
        long[] morePanes = Arrays.copyOf(panes, panes.length + 1);
        System.arraycopy(panes, at, morePanes, at + 1, panes.length - at);
        morePanes[at] = pane;
        double[] moreCells = Arrays.copyOf(cells, cells.length + width);
        System.arraycopy(cells, at * width, moreCells, (at + 1) * width, cells.length - at * width);
        Arrays.fill(moreCells, at * width, (at + 1) * width, Double.NaN);
        panes = morePanes;
        cells = moreCells;
    }

    void write(DataOutput out) throws IOException {
        Wire.writeLongs(out, panes);
        Wire.writeDoubles(out, cells);
    }

    static Panes read(DataInput in) throws IOException {
        Panes read = new Panes();
        read.panes = Wire.readLongs(in);
        read.cells = Wire.readDoubles(in);
        return read;
    }
}
