package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/**
 * The element-wise mean of vectors of {@code n} numbers, weighed by how old they are; null while there is nothing. A vector of
 * another length adds nothing.
 */
final class EwmaVector extends Aggregate<EwmaVector.Sums> {
    private final double halfLife;
    private final int n;

    EwmaVector(long halfLife, int n) {
        this.halfLife = halfLife;
        this.n = n;
    }

    /** The decayed sum of each element, then the decayed count, as of the time {@code at}. */
    static final class Sums {
        double[] sums = {};
        long at = Long.MIN_VALUE;
    }

    @Override
    Sums zero() {
        return new Sums();
    }

    @Override
    boolean add(Sums state, Object value, long time, long position, long now) {
        if (!(value instanceof double[]) || ((double[]) value).length != n) {
            return true;
        }
        if (state.sums.length == 0) {
            state.sums = new double[n + 1];
            state.at = now;
        }
        double kept = Ewma.decay(now - state.at, halfLife);
        double weight = Ewma.decay(now - time, halfLife);
        double[] vector = (double[]) value;
        for (int at = 0; at < n; at++) {
            state.sums[at] = state.sums[at] * kept + vector[at] * weight;
        }
        state.sums[n] = state.sums[n] * kept + weight;
        state.at = now;
        return true;
    }

    @Override
    Object result(Sums state, long now) {
        double weight = state.sums.length == 0 ? 0.0 : state.sums[n] * Ewma.decay(now - state.at, halfLife);
        if (weight == 0.0) {
            return null;
        }
        double[] mean = new double[n];
        for (int at = 0; at < n; at++) {
            mean[at] = state.sums[at] / state.sums[n];
        }
        return mean;
    }

    @Override
    void write(Sums state, DataOutput out) throws IOException {
        Wire.writeDoubles(out, state.sums);
        out.writeLong(state.at);
    }

    @Override
    Sums read(DataInput in) throws IOException {
        Sums read = new Sums();
        read.sums = Wire.readDoubles(in);
        read.at = in.readLong();
        return read;
    }
}
