package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.flink.shaded.guava33.com.google.common.hash.HashFunction;
import org.apache.flink.shaded.guava33.com.google.common.hash.Hashing;

/**
 * About how many different values the window holds: exact below {@code K}, after that with a standard error of 1 / sqrt(K - 2).
 *
 * <p>The K smallest hashes of a set tell its size (Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", 2002;
 * Beyer et al., "On Synopses for Distinct-Value Estimation under Multiset Operations", 2007). For a window each hash is kept
 * with its newest pane, and forgotten only when K smaller ones of the same or newer panes are kept: then it cannot be among
 * the K smallest of any window to come, so the estimate does not depend on the order of the events.
 */
final class ApproxCountDistinct extends Aggregate<ApproxCountDistinct.Sketch> {
    static final int K = 256;
    private static final double HASHES = 0x1p64;
    private static final HashFunction MURMUR = Hashing.murmur3_128(0);

    private final long panesInWindow;
    private final long slide;

    ApproxCountDistinct(long window, long slide) {
        this.panesInWindow = window / slide;
        this.slide = slide;
    }

    /** Hashes as unsigned numbers, smallest first, each with its newest pane. */
    static final class Sketch {
        long[] hashes = {};
        long[] panes = {};
        private int limit = 2 * K;

        void put(long hash, long pane) {
            int at = search(hash);
            if (at >= 0) {
                panes[at] = Math.max(panes[at], pane);
                return;
            }
            at = -at - 1;
            hashes = insert(hashes, at, hash);
            panes = insert(panes, at, pane);
        }

        private int search(long hash) {
            int low = 0;
            int high = hashes.length - 1;
            while (low <= high) {
                int middle = (low + high) >>> 1;
                int order = Long.compareUnsigned(hashes[middle], hash);
                if (order == 0) {
                    return middle;
                }
                low = order < 0 ? middle + 1 : low;
                high = order < 0 ? high : middle - 1;
            }
            return -low - 1;
        }

        private static long[] insert(long[] old, int at, long value) {
            long[] grown = Arrays.copyOf(old, old.length + 1);
            System.arraycopy(old, at, grown, at + 1, old.length - at);
            grown[at] = value;
            return grown;
        }

        /** Forgets what no window from {@code oldest} on can need. */
        void compact(long oldest) {
            if (hashes.length < limit) {
                return;
            }
            long[] order = Arrays.stream(panes).distinct().sorted().toArray();
            int[] kept = new int[order.length];
            int size = 0;
            for (int at = 0; at < hashes.length; at++) {
                int pane = Arrays.binarySearch(order, panes[at]);
                int newer = 0;
                for (int place = pane; place < order.length; place++) {
                    newer += kept[place];
                }
                if (panes[at] >= oldest && newer < K) {
                    kept[pane]++;
                    hashes[size] = hashes[at];
                    panes[size++] = panes[at];
                }
            }
            hashes = Arrays.copyOf(hashes, size);
            panes = Arrays.copyOf(panes, size);
            limit = Math.max(2 * K, 2 * size);
        }
    }

    @Override
    Sketch zero() {
        return new Sketch();
    }

    @Override
    boolean add(Sketch state, Object value, long time, long position, long now) {
        long pane = Math.floorDiv(time, slide);
        if (value != null && pane >= oldest(now)) {
            state.put(MURMUR.hashBytes(value.toString().getBytes(StandardCharsets.UTF_8)).asLong(), pane);
            state.compact(oldest(now));
        }
        return true;
    }

    @Override
    boolean isOutside(long time, long now) {
        return Math.floorDiv(time, slide) < oldest(now);
    }

    @Override
    Object result(Sketch state, long now) {
        long oldest = oldest(now);
        long count = 0;
        for (int at = 0; at < state.hashes.length; at++) {
            if (state.panes[at] >= oldest && ++count == K) {
                return Math.round((K - 1) / (unsigned(state.hashes[at]) / HASHES));
            }
        }
        return count;
    }

    private static double unsigned(long hash) {
        return hash >= 0 ? hash : (hash >>> 1 | hash & 1) * 2.0;
    }

    @Override
    long expiry(Sketch state, long now) {
        long newest = Arrays.stream(state.panes).max().orElse(Long.MIN_VALUE);
        return newest < oldest(now) ? NEVER : (newest + panesInWindow) * slide;
    }

    private long oldest(long now) {
        return Math.floorDiv(now, slide) - panesInWindow + 1;
    }

    @Override
    void write(Sketch state, DataOutput out) throws IOException {
        Wire.writeLongs(out, state.hashes);
        Wire.writeLongs(out, state.panes);
    }

    @Override
    Sketch read(DataInput in) throws IOException {
        Sketch read = new Sketch();
        read.hashes = Wire.readLongs(in);
        read.panes = Wire.readLongs(in);
        return read;
    }
}
