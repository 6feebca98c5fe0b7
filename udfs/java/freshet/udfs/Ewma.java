package freshet.udfs;

import org.apache.flink.table.functions.AggregateFunction;

/**
 * {@code freshet_ewma(value, event_time, half_life_ms)}: the sum of values, each halved with every half-life of its age, as
 * of the newest event.
 *
 * <p>Decay factors are never above one, so nothing overflows, and an event that comes late is simply an older summand.
 */
public class Ewma extends AggregateFunction<Double, Ewma.Decayed> {

    /** The decayed sum and the event time that it is decayed to. */
    public static class Decayed {
        public double sum = 0.0;
        public long at = Long.MIN_VALUE;

        void advance(long eventTime, double halfLife) {
            if (eventTime > at) {
                sum = at == Long.MIN_VALUE ? 0.0 : sum * decay(eventTime - at, halfLife);
                at = eventTime;
            }
        }

        void add(double value, long eventTime, double halfLife) {
            sum += value * decay(at - eventTime, halfLife);
        }
    }

    static double decay(long age, double halfLife) {
        return Math.pow(2.0, -age / halfLife);
    }

    @Override
    public Decayed createAccumulator() {
        return new Decayed();
    }

    public void accumulate(Decayed decayed, Double value, Long eventTime, Long halfLife) {
        decayed.advance(eventTime, halfLife);
        if (value != null) {
            decayed.add(value, eventTime, halfLife);
        }
    }

    @Override
    public Double getValue(Decayed decayed) {
        return decayed.sum;
    }
}
