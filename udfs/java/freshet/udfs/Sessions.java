package freshet.udfs;

import java.util.Arrays;

/**
 * The sessions of the last while: runs of events with less than {@code gap} milliseconds between neighbours.
 *
 * <p>An event may extend a session, open one, or join two into one, whenever it arrives. Sessions that ended more than
 * {@link #KEPT_GAPS} gaps before the newest one's end are forgotten, so an event that is later than that is left out.
 */
public class Sessions {
    static final long KEPT_GAPS = 48;

    public long[] starts = {};
    public long[] ends = {};
    public long[] counts = {};

    /** Adds an event that weighs {@code count}: 1, or 0 for one that belongs to the session but is not counted. */
    void add(long time, long gap, long count) {
        int last = ends.length - 1;
        if (last >= 0 && time < ends[last] - KEPT_GAPS * gap) {
            return;
        }
        int from = 0;
        while (from < ends.length && ends[from] <= time - gap) {
            from++;
        }
        int to = from;
        long start = time;
        long end = time;
        long total = count;
        while (to < starts.length && starts[to] < time + gap) {
            start = Math.min(start, starts[to]);
            end = Math.max(end, ends[to]);
            total += counts[to];
            to++;
        }
        replace(from, to, start, end, total);
        forget(gap);
    }

    long currentCount() {
        return counts.length == 0 ? 0 : counts[counts.length - 1];
    }

    long currentDuration() {
        return ends.length == 0 ? 0 : ends[ends.length - 1] - starts[starts.length - 1];
    }

    private void replace(int from, int to, long start, long end, long count) {
        starts = splice(starts, from, to, start);
        ends = splice(ends, from, to, end);
        counts = splice(counts, from, to, count);
    }

    private void forget(long gap) {
        long oldest = ends[ends.length - 1] - KEPT_GAPS * gap;
        int from = 0;
        while (ends[from] < oldest) {
            from++;
        }
        if (from > 0) {
            starts = Arrays.copyOfRange(starts, from, starts.length);
            ends = Arrays.copyOfRange(ends, from, ends.length);
            counts = Arrays.copyOfRange(counts, from, counts.length);
        }
    }

    private static long[] splice(long[] old, int from, int to, long value) {
        if (to == from + 1) {
            old[from] = value;
            return old;
        }
        long[] changed = new long[old.length - (to - from) + 1];
        System.arraycopy(old, 0, changed, 0, from);
        changed[from] = value;
        System.arraycopy(old, to, changed, from + 1, old.length - to);
        return changed;
    }
}
