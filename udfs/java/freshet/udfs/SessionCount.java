package freshet.udfs;

import org.apache.flink.table.functions.AggregateFunction;

/** {@code freshet_session_count(counted, event_time, gap_ms)}: events of the newest session for which {@code counted} holds. */
public class SessionCount extends AggregateFunction<Long, Sessions> {

    @Override
    public Sessions createAccumulator() {
        return new Sessions();
    }

    public void accumulate(Sessions sessions, Boolean counted, Long eventTime, Long gap) {
        sessions.add(eventTime, gap, Boolean.TRUE.equals(counted) ? 1 : 0);
    }

    @Override
    public Long getValue(Sessions sessions) {
        return sessions.currentCount();
    }
}
