package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/**
 * The sum of values, each halved with every half-life of its age.
 *
 * <p>No decay factor is above one, so nothing overflows, and an event that comes late is simply an older summand.
 */
final class Ewma extends Aggregate<Ewma.Decayed> {
    private final double halfLife;

    Ewma(long halfLife) {
        this.halfLife = halfLife;
    }

    /** A sum as of the time {@code at}. */
    static final class Decayed {
        double sum;
        long at = Long.MIN_VALUE;

        double at(long now, double halfLife) {
            return sum == 0.0 ? 0.0 : sum * decay(now - at, halfLife);
        }

        void add(double value, long time, long now, double halfLife) {
            sum = at(now, halfLife) + value * decay(now - time, halfLife);
            at = now;
        }

        void write(DataOutput out) throws IOException {
            out.writeDouble(sum);
            out.writeLong(at);
        }

        static Decayed read(DataInput in) throws IOException {
            Decayed read = new Decayed();
            read.sum = in.readDouble();
            read.at = in.readLong();
            return read;
        }
    }

    /** Returns what is left of 1 at an age. */
    static double decay(long age, double halfLife) {
        return age == 0 ? 1.0 : Math.pow(2.0, -age / halfLife);
    }

    @Override
    Decayed zero() {
        return new Decayed();
    }

    @Override
    boolean add(Decayed state, Object value, long time, long position, long now) {
        if (value != null) {
            state.add(value instanceof Double ? (Double) value : 1.0, time, now, halfLife);
        }
        return true;
    }

    @Override
    Object result(Decayed state, long now) {
        return state.at(now, halfLife);
    }

    @Override
    void write(Decayed state, DataOutput out) throws IOException {
        state.write(out);
    }

    @Override
    Decayed read(DataInput in) throws IOException {
        return Decayed.read(in);
    }
}
