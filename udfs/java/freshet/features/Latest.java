package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/** A few values with their times and positions, newest first. */
final class Latest {
    long[] times = {};
    long[] positions = {};
    Object[] values = {};

    /** Puts a value in its place if that is among the first {@code n}. */
    void add(Object value, long time, long position, int n) {
        int at = 0;
        while (at < times.length && isAfter(at, time, position)) {
            at++;
        }
        if (at < n) {
            times = insert(times, at, time, n);
            positions = insert(positions, at, position, n);
            Object[] grown = Arrays.copyOf(values, Math.min(values.length + 1, n));
            System.arraycopy(values, at, grown, at + 1, grown.length - at - 1);
            grown[at] = value;
            values = grown;
        }
    }

    int indexOf(Object value) {
        int at = values.length - 1;
        while (at >= 0 && !values[at].equals(value)) {
            at--;
        }
        return at;
    }

    void remove(int at) {
        times = without(times, at);
        positions = without(positions, at);
        Object[] kept = Arrays.copyOf(values, values.length - 1);
        System.arraycopy(values, at + 1, kept, at, kept.length - at);
        values = kept;
    }

    boolean isAfter(int at, long time, long position) {
        return times[at] > time || (times[at] == time && positions[at] > position);
    }

    /** Returns how many values are newer than {@code bound}. */
    int countAfter(long bound) {
        int count = times.length;
        while (count > 0 && times[count - 1] <= bound) {
            count--;
        }
        return count;
    }

    private static long[] without(long[] old, int at) {
        long[] kept = Arrays.copyOf(old, old.length - 1);
        System.arraycopy(old, at + 1, kept, at, kept.length - at);
        return kept;
    }

    private static long[] insert(long[] old, int at, long value, int most) {
        long[] grown = Arrays.copyOf(old, Math.min(old.length + 1, most));
        System.arraycopy(old, at, grown, at + 1, grown.length - at - 1);
        grown[at] = value;
        return grown;
    }

    void write(DataOutput out) throws IOException {
        Wire.writeLongs(out, times);
        Wire.writeLongs(out, positions);
        for (Object value : values) {
            Wire.writeValue(out, value);
        }
    }

    static Latest read(DataInput in) throws IOException {
        Latest read = new Latest();
        read.times = Wire.readLongs(in);
        read.positions = Wire.readLongs(in);
        read.values = new Object[read.times.length];
        for (int at = 0; at < read.values.length; at++) {
            read.values[at] = Wire.readValue(in);
        }
        return read;
    }
}
