package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/** How many different values the window holds, exactly: each value is kept with the newest pane that it was seen in. */
final class CountDistinct extends Aggregate<CountDistinct.Seen> {
    private final long panesInWindow;
    private final long slide;

    CountDistinct(long window, long slide) {
        this.panesInWindow = window / slide;
        this.slide = slide;
    }

    /** The newest pane of each value, and how many values have each pane as their newest. */
    static final class Seen {
        final Map<Object, Long> newest = new HashMap<>();
        final Panes counts = new Panes();

        void count(long pane, double more) {
            int at = counts.cellsOf(pane, 1);
            counts.cells[at] = Double.isNaN(counts.cells[at]) ? more : counts.cells[at] + more;
        }

        void put(Object value, long pane) {
            Long known = newest.get(value);
            if (known != null && known >= pane) {
                return;
            }
            if (known != null) {
                count(known, -1.0);
            }
            newest.put(value, pane);
            count(pane, 1.0);
        }

        void dropBefore(long oldest) {
            if (counts.panes.length > 0 && counts.panes[0] < oldest) {
                newest.values().removeIf(pane -> pane < oldest);
                counts.dropBefore(oldest, 1);
            }
        }
    }

    @Override
    Seen zero() {
        return new Seen();
    }

    @Override
    boolean add(Seen state, Object value, long time, long position, long now) {
        long oldest = oldest(now);
        long pane = Math.floorDiv(time, slide);
        if (value != null) {
            state.dropBefore(oldest);
            if (pane >= oldest) {
                state.put(value, pane);
            }
        }
        return true;
    }

    @Override
    boolean isOutside(long time, long now) {
        return Math.floorDiv(time, slide) < oldest(now);
    }

    @Override
    Object result(Seen state, long now) {
        long oldest = oldest(now);
        double count = 0.0;
        for (int at = state.counts.panes.length - 1; at >= 0 && state.counts.panes[at] >= oldest; at--) {
            count += state.counts.cells[at];
        }
        return (long) count;
    }

    @Override
    long expiry(Seen state, long now) {
        for (int at = state.counts.panes.length - 1; at >= 0 && state.counts.panes[at] >= oldest(now); at--) {
            if (state.counts.cells[at] > 0.0) {
                return (state.counts.panes[at] + panesInWindow) * slide;
            }
        }
        return NEVER;
    }

    private long oldest(long now) {
        return Math.floorDiv(now, slide) - panesInWindow + 1;
    }

    @Override
    void write(Seen state, DataOutput out) throws IOException {
        Wire.writeSize(out, state.newest.size());
        for (Map.Entry<Object, Long> one : state.newest.entrySet()) {
            Wire.writeValue(out, one.getKey());
            out.writeLong(one.getValue());
        }
    }

    @Override
    Seen read(DataInput in) throws IOException {
        Seen read = new Seen();
        for (int left = Wire.readSize(in); left > 0; left--) {
            Object value = Wire.readValue(in);
            read.put(value, in.readLong());
        }
        return read;
    }
}
