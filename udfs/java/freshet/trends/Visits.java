package freshet.trends;

import java.time.Duration;
import org.apache.flink.api.common.operators.ProcessingTimeService.ProcessingTimeCallback;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;

/**
 * Keyed by user: works out what each event brings to which rows, and sends it there in bundles.
 *
 * <p>A bundle leaves when it is full, a moment after it began, and before a checkpoint: so it is never part of the state.
 *
 * <p>The columns of an event: subject, item_id, event_time, position, then the weights and contexts that the trends name.
 */
final class Visits extends AbstractStreamOperator<RowPart>
        implements OneInputStreamOperator<RowData, RowPart>, Triggerable<String, VoidNamespace>, ProcessingTimeCallback {
    static final int SUBJECT = 0;

    private static final int ITEM = 1;
    private static final int TIME = 2;
    private static final int POSITION = 3;
    private static final int LARGEST = 50_000;
    private static final long BUNDLE_MS = 200;

    private final TrendSpec spec;
    private transient ValueState<Shopper> shoppers;
    private transient InternalTimerService<VoidNamespace> timers;
    private transient Bundle bundle;
    private transient boolean isFlushDue;
    private transient Counter tooLate;

    Visits(TrendSpec spec) {
        this.spec = spec;
    }

    @Override
    public void open() throws Exception {
        super.open();
        ValueStateDescriptor<Shopper> descriptor = new ValueStateDescriptor<>("shopper", new Shopper.Serializer());
        descriptor.enableTimeToLive(ttl(spec.stateTtlMs));
        shoppers = getRuntimeContext().getState(descriptor);
        timers = getInternalTimerService("sessions", VoidNamespaceSerializer.INSTANCE, this);
        bundle = new Bundle(spec.rows);
        tooLate = getMetricGroup().addGroup("freshet").counter("late_visits_dropped");
    }

    /** One entry an access is looked at: all of them, over as many accesses as there are entries. */
    static StateTtlConfig ttl(long ms) {
        return StateTtlConfig.newBuilder(Duration.ofMillis(ms))
                .cleanupIncrementally(1, false)
                .build();
    }

    @Override
    public void processElement(StreamRecord<RowData> record) throws Exception {
        RowData row = record.getValue();
        bundle.begin(row.getLong(TIME));
        Shopper shopper = shoppers.value();
        if (shopper == null) {
            shopper = new Shopper();
        }
        for (Trend trend : spec.trends) {
            if (!row.isNullAt(trend.weight)) {
                see(trend, row, shopper);
            }
        }
        shoppers.update(shopper);
        flushLater();
    }

    private void see(Trend trend, RowData row, Shopper shopper) {
        Visit visit = new Visit(
                text(row, ITEM), row.getLong(TIME), row.getLong(POSITION), row.getDouble(trend.weight), null);
        String[] contexts = new String[trend.by.length];
        for (int at = 0; at < contexts.length; at++) {
            contexts[at] = text(row, trend.by[at]);
        }
        History history = trend.hasHistory() ? shopper.history(trend.id) : null;
        if (!trend.see(visit, contexts, history, bundle)) {
            tooLate.inc();
        } else if (trend instanceof Sessions) {
            history.quietAt = clock() + ((Sessions) trend).gap;
            wake(history.quietAt, shopper);
        }
    }

    private static String text(RowData row, int column) {
        return row.isNullAt(column) ? null : row.getString(column).toString();
    }

    /** Sees to it that there is a timer no later than that; one that comes early finds nothing to do and sets the next. */
    private void wake(long instant, Shopper shopper) {
        if (instant < shopper.timer) {
            shopper.timer = instant;
            timers.registerProcessingTimeTimer(VoidNamespace.INSTANCE, instant);
        }
    }

    @Override
    public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
        Shopper shopper = shoppers.value();
        if (shopper == null || shopper.timer != timer.getTimestamp()) {
            return;
        }
        shopper.timer = Shopper.NO_TIMER;
        for (Trend trend : spec.trends) {
            History history = trend instanceof Sessions ? shopper.history(trend.id) : null;
            if (history == null || history.quietAt == 0) {
                continue;
            }
            if (history.quietAt <= timer.getTimestamp()) {
                ((Sessions) trend).end(history, bundle);
            } else {
                wake(history.quietAt, shopper);
            }
        }
        shoppers.update(shopper);
        flushLater();
    }

    @Override
    public void onEventTime(InternalTimer<String, VoidNamespace> timer) {
        // nothing waits for event time
    }

    @Override
    public void onProcessingTime(long timestamp) {
        flush();
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpoint) {
        flush();
    }

    @Override
    public void finish() throws Exception {
        flush();
        super.finish();
    }

    private void flushLater() {
        if (bundle.size() >= LARGEST) {
            flush();
        } else if (!isFlushDue) {
            isFlushDue = true;
            getProcessingTimeService().registerTimer(clock() + BUNDLE_MS, this);
        }
    }

    private void flush() {
        bundle.flush(part -> output.collect(new StreamRecord<>(part)));
        isFlushDue = false;
    }

    private long clock() {
        return getProcessingTimeService().getCurrentProcessingTime();
    }
}
