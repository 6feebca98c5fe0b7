package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/** What is computed from two decayed sums: a mean, a rate, a trend. */
abstract class TwoSums extends Aggregate<Ewma.Decayed[]> {
    private final double firstHalfLife;
    private final double secondHalfLife;

    TwoSums(double firstHalfLife, double secondHalfLife) {
        this.firstHalfLife = firstHalfLife;
        this.secondHalfLife = secondHalfLife;
    }

    /** Returns what a value adds to the second sum; the first counts events. */
    abstract double second(double value);

    abstract Object of(double first, double second);

    @Override
    Ewma.Decayed[] zero() {
        return new Ewma.Decayed[] {new Ewma.Decayed(), new Ewma.Decayed()};
    }

    @Override
    boolean add(Ewma.Decayed[] state, Object value, long time, long position, long now) {
        if (value != null) {
            state[0].add(1.0, time, now, firstHalfLife);
            state[1].add(second(value instanceof Double ? (Double) value : 1.0), time, now, secondHalfLife);
        }
        return true;
    }

    @Override
    Object result(Ewma.Decayed[] state, long now) {
        return of(state[0].at(now, firstHalfLife), state[1].at(now, secondHalfLife));
    }

    @Override
    void write(Ewma.Decayed[] state, DataOutput out) throws IOException {
        state[0].write(out);
        state[1].write(out);
    }

    @Override
    Ewma.Decayed[] read(DataInput in) throws IOException {
        return new Ewma.Decayed[] {Ewma.Decayed.read(in), Ewma.Decayed.read(in)};
    }
}
