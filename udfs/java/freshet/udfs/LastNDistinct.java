package freshet.udfs;

import org.apache.flink.table.functions.AggregateFunction;

/**
 * {@code freshet_last_n_distinct(value, event_time, position, n)}: the {@code n} values seen last, each once, newest
 * first. A value stands where its latest event stands.
 *
 * <p>It is exact whatever the order of arrival: a value's latest event and the n-th latest of all only grow, so one that
 * has fallen out comes back only with a newer event.
 */
public class LastNDistinct extends AggregateFunction<String[], LastN.Latest> {

    @Override
    public LastN.Latest createAccumulator() {
        return new LastN.Latest();
    }

    public void accumulate(LastN.Latest latest, String value, Long eventTime, Long position, Integer n) {
        if (value == null) {
            return;
        }
        int known = latest.indexOf(value);
        if (known >= 0 && latest.isAfter(known, eventTime, position)) {
            return;
        }
        if (known >= 0) {
            latest.remove(known);
        }
        latest.add(value, eventTime, position, n);
    }

    @Override
    public String[] getValue(LastN.Latest latest) {
        return latest.values;
    }
}
