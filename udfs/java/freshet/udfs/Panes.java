package freshet.udfs;

import java.util.Arrays;

/**
 * Sums by pane, the newest few only: what a sliding window needs and nothing more.
 *
 * <p>Time is cut into panes of {@code slide} milliseconds. A window of {@code window} milliseconds is the newest
 * {@code window / slide} panes, the one being filled included, so it equals the HOP window that is about to close. An
 * event joins its pane whenever it arrives, so order does not matter; one older than the window changes nothing.
 *
 * <p>Public fields in a plain class, since Flink stores the state of an aggregate function as a structured type of them.
 */
public class Panes {
    public long newest = Long.MIN_VALUE;
    public long[] panes = {};
    public double[] sums = {};

    /** Lets time pass: panes that leave the window are dropped. */
    void advance(long eventTime, long window, long slide) {
        long pane = Math.floorDiv(eventTime, slide);
        if (pane > newest) {
            newest = pane;
            dropBefore(oldestOf(window, slide));
        }
    }

    /** Adds to the pane of {@code eventTime}, unless that pane has left the window. */
    void add(double value, long eventTime, long window, long slide) {
        long pane = Math.floorDiv(eventTime, slide);
        if (pane < oldestOf(window, slide)) {
            return;
        }
        int at = Arrays.binarySearch(panes, pane);
        if (at < 0) {
            at = -at - 1;
            panes = insert(panes, at, pane);
            sums = insert(sums, at, 0.0);
        }
        sums[at] += value;
    }

    double total() {
        double total = 0.0;
        for (double sum : sums) {
            total += sum;
        }
        return total;
    }

    boolean isEmpty() {
        return panes.length == 0;
    }

    private long oldestOf(long window, long slide) {
        return newest - window / slide + 1;
    }

    private void dropBefore(long oldest) {
        int from = 0;
        while (from < panes.length && panes[from] < oldest) {
            from++;
        }
        if (from > 0) {
            panes = Arrays.copyOfRange(panes, from, panes.length);
            sums = Arrays.copyOfRange(sums, from, sums.length);
        }
    }

    private static long[] insert(long[] old, int at, long value) {
        long[] grown = Arrays.copyOf(old, old.length + 1);
        System.arraycopy(old, at, grown, at + 1, old.length - at);
        grown[at] = value;
        return grown;
    }

    private static double[] insert(double[] old, int at, double value) {
        double[] grown = Arrays.copyOf(old, old.length + 1);
        System.arraycopy(old, at, grown, at + 1, old.length - at);
        grown[at] = value;
        return grown;
    }
}
