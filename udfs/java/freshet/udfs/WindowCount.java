package freshet.udfs;

import org.apache.flink.table.functions.AggregateFunction;

/** {@code freshet_count(counted, event_time, window_ms, slide_ms)}: events of the window for which {@code counted} holds. */
public class WindowCount extends AggregateFunction<Long, Panes> {

    @Override
    public Panes createAccumulator() {
        return new Panes();
    }

    public void accumulate(Panes panes, Boolean counted, Long eventTime, Long window, Long slide) {
        panes.advance(eventTime, window, slide);
        if (Boolean.TRUE.equals(counted)) {
            panes.add(1.0, eventTime, window, slide);
        }
    }

    @Override
    public Long getValue(Panes panes) {
        return (long) panes.total();
    }
}
