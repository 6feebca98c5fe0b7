package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/**
 * Sessions: runs of events with less than {@code gap} milliseconds between neighbours.
 *
 * <p>An event may extend a session, open one, or join two into one, whenever it comes; one without a value still keeps its
 * session alive. A session is over a gap after its last event. Sessions that ended more than {@link #KEPT_GAPS} gaps before
 * the newest are forgotten, so an event that is later than that cannot be counted.
 */
abstract class Sessions extends Aggregate<Sessions.Runs> {
    static final long KEPT_GAPS = 48;

    final long gap;
    private final int n;

    /** Makes sessions that remember their {@code n} latest distinct values. */
    Sessions(long gap, int n) {
        this.gap = gap;
        this.n = n;
    }

    /** The sessions of the last while, oldest first. */
    static final class Runs {
        long[] starts = {};
        long[] ends = {};
        long[] counts = {};
        Latest[] values = {};
    }

    /** Returns the value of the current session, which is the last one. */
    abstract Object current(Runs state, int last);

    /** Returns the value while there is no session. */
    abstract Object none();

    @Override
    Runs zero() {
        return new Runs();
    }

    @Override
    boolean add(Runs state, Object value, long time, long position, long now) {
        int last = state.ends.length - 1;
        if (last >= 0 && time < state.ends[last] - KEPT_GAPS * gap) {
            return false;
        }
        int from = 0;
        while (from <= last && state.ends[from] <= time - gap) {
            from++;
        }
        int to = from;
        while (to <= last && state.starts[to] < time + gap) {
            to++;
        }
        join(state, from, to, time);
        if (value != null) {
            state.counts[from]++;
            if (n > 0) {
                LastNDistinct.place(state.values[from], value, time, position, n);
            }
        }
        forget(state);
        return true;
    }

    /** Makes one session of those from {@code from} up to {@code to} and of an event at {@code time}. */
    private void join(Runs state, int from, int to, long time) {
        long start = from < to ? Math.min(time, state.starts[from]) : time;
        long end = from < to ? Math.max(time, state.ends[to - 1]) : time;
        long count = 0;
        Latest values = from < to ? state.values[from] : new Latest();
        for (int at = from; at < to; at++) {
            count += state.counts[at];
            if (at > from) {
                move(state.values[at], values);
            }
        }
        if (to != from + 1) {
            int length = state.starts.length - (to - from) + 1;
            state.starts = splice(state.starts, from, to, length);
            state.ends = splice(state.ends, from, to, length);
            state.counts = splice(state.counts, from, to, length);
            Latest[] kept = new Latest[length];
            System.arraycopy(state.values, 0, kept, 0, from);
            System.arraycopy(state.values, to, kept, from + 1, state.values.length - to);
            state.values = kept;
        }
        state.starts[from] = start;
        state.ends[from] = end;
        state.counts[from] = count;
        state.values[from] = values;
    }

    private void move(Latest from, Latest to) {
        for (int at = 0; at < from.times.length; at++) {
            LastNDistinct.place(to, from.values[at], from.times[at], from.positions[at], n);
        }
    }

    private static long[] splice(long[] old, int from, int to, int length) {
        long[] changed = new long[length];
        System.arraycopy(old, 0, changed, 0, from);
        System.arraycopy(old, to, changed, from + 1, old.length - to);
        return changed;
    }

    private void forget(Runs state) {
        long oldest = state.ends[state.ends.length - 1] - KEPT_GAPS * gap;
        int from = 0;
        while (state.ends[from] < oldest) {
            from++;
        }
        if (from > 0) {
            state.starts = Arrays.copyOfRange(state.starts, from, state.starts.length);
            state.ends = Arrays.copyOfRange(state.ends, from, state.ends.length);
            state.counts = Arrays.copyOfRange(state.counts, from, state.counts.length);
            state.values = Arrays.copyOfRange(state.values, from, state.values.length);
        }
    }

    @Override
    Object result(Runs state, long now) {
        int last = state.ends.length - 1;
        return last < 0 || now >= state.ends[last] + gap ? none() : current(state, last);
    }

    @Override
    long expiry(Runs state, long now) {
        int last = state.ends.length - 1;
        return last < 0 || now >= state.ends[last] + gap ? NEVER : state.ends[last] + gap;
    }

    @Override
    void write(Runs state, DataOutput out) throws IOException {
        Wire.writeLongs(out, state.starts);
        Wire.writeLongs(out, state.ends);
        Wire.writeLongs(out, state.counts);
        for (Latest values : state.values) {
            values.write(out);
        }
    }

    @Override
    Runs read(DataInput in) throws IOException {
        Runs read = new Runs();
        read.starts = Wire.readLongs(in);
        read.ends = Wire.readLongs(in);
        read.counts = Wire.readLongs(in);
        read.values = new Latest[read.starts.length];
        for (int at = 0; at < read.values.length; at++) {
            read.values[at] = Latest.read(in);
        }
        return read;
    }
}
