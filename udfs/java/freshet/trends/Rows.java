package freshet.trends;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Keeps all rows. One that changes is written a little later, with all that has come until then; a first time is written at once.
 */
final class Rows extends KeyedProcessFunction<String, RowPart, Put> {
    private static final long TICK_MS = 50; // rows that are due meanwhile share a timer of the system's, which is dear

    private final TrendSpec spec;
    private transient Map<String, RowKind> kinds;
    private transient ValueState<DecayedRow> rows;
    private transient Names names;

    Rows(TrendSpec spec) {
        this.spec = spec;
    }

    @Override
    public void open(OpenContext context) {
        kinds = new HashMap<>();
        names = new Names();
        spec.rows.forEach(kind -> kinds.put(kind.id, kind));
        ValueStateDescriptor<DecayedRow> descriptor = new ValueStateDescriptor<>("row", new DecayedRow.Serializer());
        descriptor.enableTimeToLive(Visits.ttl(spec.stateTtlMs));
        rows = getRuntimeContext().getState(descriptor);
    }

    @Override
    public void processElement(RowPart part, Context context, Collector<Put> out) throws Exception {
        RowKind kind = kinds.get(RowPart.idOf(part.place));
        if (kind == null) {
            return; // left over from a job with other trends
        }
        if (!kind.isRemembered) {
            out.collect(Put.member(kind, RowPart.keyOf(part.place), part.row.asOf));
            return;
        }
        DecayedRow row = rows.value();
        if (row == null) {
            row = DecayedRow.like(part.row);
        }
        long sinceBefore = row.since;
        row.merge(part.row, kind.halfLives, names);
        row.prune(kind.keep, kind.halfLives);
        if (kind.capacity == 0) {
            writeLater(row, kind, context, out);
        } else if (row.since < sinceBefore) {
            out.collect(Put.member(kind, RowPart.keyOf(part.place), row.since));
        }
        rows.update(row);
    }

    private void writeLater(DecayedRow row, RowKind kind, Context context, Collector<Put> out) {
        long wait = kind.waitMs(row.count);
        if (wait == 0) {
            out.collect(Put.row(kind, RowPart.keyOf(context.getCurrentKey()), row));
        } else if (!row.isDue) {
            row.isDue = true;
            long then = context.timerService().currentProcessingTime() + wait;
            context.timerService().registerProcessingTimeTimer(then - then % TICK_MS + TICK_MS);
        }
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Put> out) throws Exception {
        String place = context.getCurrentKey();
        RowKind kind = kinds.get(RowPart.idOf(place));
        DecayedRow row = rows.value();
        if (kind != null && row != null && row.isDue) {
            row.isDue = false;
            rows.update(row);
            out.collect(Put.row(kind, RowPart.keyOf(place), row));
        }
    }
}
