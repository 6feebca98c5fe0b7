package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** The {@code n} values that the window holds most often, most frequent first; of equally frequent ones the smaller text. */
final class TopK extends Aggregate<Map<String, Panes>> {
    private final long panesInWindow;
    private final long slide;
    private final int n;

    TopK(long window, long slide, int n) {
        this.panesInWindow = window / slide;
        this.slide = slide;
        this.n = n;
    }

    @Override
    Map<String, Panes> zero() {
        return new HashMap<>();
    }

    @Override
    boolean add(Map<String, Panes> state, Object value, long time, long position, long now) {
        long oldest = oldest(now);
        long pane = Math.floorDiv(time, slide);
        if (value != null && pane >= oldest) {
            Panes counts = state.computeIfAbsent(value.toString(), key -> new Panes());
            boolean isNew = counts.panes.length == 0;
            int at = counts.cellsOf(pane, 1);
            counts.cells[at] = Double.isNaN(counts.cells[at]) ? 1.0 : counts.cells[at] + 1.0;
            if (isNew) {
                forget(state, oldest);
            }
        }
        return true;
    }

    private static void forget(Map<String, Panes> state, long oldest) {
        state.values().removeIf(counts -> {
            counts.dropBefore(oldest, 1);
            return counts.panes.length == 0;
        });
    }

    @Override
    boolean isOutside(long time, long now) {
        return Math.floorDiv(time, slide) < oldest(now);
    }

    @Override
    Object result(Map<String, Panes> state, long now) {
        long oldest = oldest(now);
        String[] best = new String[n];
        double[] totals = new double[n];
        int size = 0;
        for (Map.Entry<String, Panes> one : state.entrySet()) {
            double total = total(one.getValue(), oldest);
            int at = size;
            while (at > 0 && isBefore(one.getKey(), total, best[at - 1], totals[at - 1])) {
                at--;
            }
            if (total > 0.0 && at < n) {
                size = Math.min(size + 1, n);
                System.arraycopy(best, at, best, at + 1, size - at - 1);
                System.arraycopy(totals, at, totals, at + 1, size - at - 1);
                best[at] = one.getKey();
                totals[at] = total;
            }
        }
        return Arrays.copyOf(best, size);
    }

    private static double total(Panes counts, long oldest) {
        double total = 0.0;
        for (int at = counts.panes.length - 1; at >= 0 && counts.panes[at] >= oldest; at--) {
            total += counts.cells[at];
        }
        return total;
    }

    private static boolean isBefore(String value, double total, String other, double otherTotal) {
        return total > otherTotal || (total == otherTotal && byCodePoint(value, other) < 0);
    }

    @Override
    long expiry(Map<String, Panes> state, long now) {
        long newest = Long.MIN_VALUE;
        for (Panes counts : state.values()) {
            newest = Math.max(newest, counts.panes[counts.panes.length - 1]);
        }
        return newest < oldest(now) ? NEVER : (newest + panesInWindow) * slide;
    }

    private long oldest(long now) {
        return Math.floorDiv(now, slide) - panesInWindow + 1;
    }

    /** Orders texts as their code points are, which Java's own order of UTF-16 units is not. */
    private static int byCodePoint(String one, String other) {
        int at = 0;
        while (at < one.length() && at < other.length() && one.charAt(at) == other.charAt(at)) {
            at++;
        }
        if (at == one.length() || at == other.length()) {
            return one.length() - other.length();
        }
        at -= at > 0 && Character.isHighSurrogate(one.charAt(at - 1)) ? 1 : 0;
        return Integer.compare(one.codePointAt(at), other.codePointAt(at));
    }

    @Override
    void write(Map<String, Panes> state, DataOutput out) throws IOException {
        Wire.writeSize(out, state.size());
        for (Map.Entry<String, Panes> one : state.entrySet()) {
            Wire.writeText(out, one.getKey());
            one.getValue().write(out);
        }
    }

    @Override
    Map<String, Panes> read(DataInput in) throws IOException {
        Map<String, Panes> read = new HashMap<>();
        for (int left = Wire.readSize(in); left > 0; left--) {
            String value = Wire.readText(in);
            read.put(value, Panes.read(in));
        }
        return read;
    }
}
