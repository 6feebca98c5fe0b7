package freshet.udfs;

import org.apache.flink.table.functions.AggregateFunction;

/**
 * {@code freshet_trend(value, event_time, short_half_life_ms, long_half_life_ms)}: the recent rate over the usual rate.
 *
 * <p>Each decayed sum divided by its half-life is a rate, so a steady stream gives 1 and the most that a burst can give is
 * long / short. 0 before the first value.
 */
public class Trend extends AggregateFunction<Double, Trend.Rates> {

    /** Two decayed sums as of the same event time. */
    public static class Rates {
        public double recent = 0.0;
        public double usual = 0.0;
        public long at = Long.MIN_VALUE;
        public double ratio = 0.0;

        void advance(long eventTime, long shortHalfLife, long longHalfLife) {
            if (at == Long.MIN_VALUE) {
                at = eventTime;
            } else if (eventTime > at) {
                recent *= Ewma.decay(eventTime - at, shortHalfLife);
                usual *= Ewma.decay(eventTime - at, longHalfLife);
                at = eventTime;
            }
        }

        void add(double value, long eventTime, long shortHalfLife, long longHalfLife) {
            recent += value * Ewma.decay(at - eventTime, shortHalfLife);
            usual += value * Ewma.decay(at - eventTime, longHalfLife);
        }
    }

    @Override
    public Rates createAccumulator() {
        return new Rates();
    }

    public void accumulate(Rates rates, Double value, Long eventTime, Long shortHalfLife, Long longHalfLife) {
        rates.advance(eventTime, shortHalfLife, longHalfLife);
        if (value != null) {
            rates.add(value, eventTime, shortHalfLife, longHalfLife);
        }
        // A sum on its way to zero may still be a number when its rate no longer is one: 0 / 0 is no trend either.
        double usually = rates.usual / longHalfLife;
        rates.ratio = usually == 0.0 ? 0.0 : (rates.recent / shortHalfLife) / usually;
    }

    @Override
    public Double getValue(Rates rates) {
        return rates.ratio;
    }
}
