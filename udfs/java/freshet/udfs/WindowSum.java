package freshet.udfs;

import org.apache.flink.table.functions.AggregateFunction;

/** {@code freshet_sum(value, event_time, window_ms, slide_ms)}: the sum over the window; a null adds nothing, 0.0 when empty. */
public class WindowSum extends AggregateFunction<Double, Panes> {

    @Override
    public Panes createAccumulator() {
        return new Panes();
    }

    public void accumulate(Panes panes, Double value, Long eventTime, Long window, Long slide) {
        panes.advance(eventTime, window, slide);
        if (value != null) {
            panes.add(value, eventTime, window, slide);
        }
    }

    @Override
    public Double getValue(Panes panes) {
        return panes.total();
    }
}
