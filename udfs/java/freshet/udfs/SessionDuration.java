package freshet.udfs;

import org.apache.flink.table.functions.AggregateFunction;

/** {@code freshet_session_duration(event_time, gap_ms)}: seconds from the first to the last event of the newest session. */
public class SessionDuration extends AggregateFunction<Double, Sessions> {

    @Override
    public Sessions createAccumulator() {
        return new Sessions();
    }

    public void accumulate(Sessions sessions, Long eventTime, Long gap) {
        sessions.add(eventTime, gap, 1);
    }

    @Override
    public Double getValue(Sessions sessions) {
        return sessions.currentDuration() / 1000.0;
    }
}
