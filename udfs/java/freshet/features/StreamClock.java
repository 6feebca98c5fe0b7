package freshet.features;

import org.apache.flink.api.common.operators.ProcessingTimeService.ProcessingTimeCallback;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/**
 * Makes watermarks of {@link StreamTime}, and carries it over a restart, which a watermark generator of Flink's cannot.
 *
 * <p>The watermark stays {@code delayMs} behind the time of the stream.
 */
final class StreamClock extends AbstractStreamOperator<Touch>
        implements OneInputStreamOperator<Touch, Touch>, ProcessingTimeCallback {
    private final long delayMs;
    private transient StreamTime time;
    private transient ListState<Long> lags;
    private transient long emitted;
    private transient boolean isIdle;

    StreamClock(long delayMs) {
        this.delayMs = delayMs;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        time = new StreamTime(clock());
        lags = context.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>("lag", Types.LONG));
        for (long lag : lags.get()) {
            time.restore(lag);
        }
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        lags.clear();
        if (time.lag() >= 0) {
            lags.add(time.lag());
        }
    }

    @Override
    public void open() {
        emitted = Long.MIN_VALUE;
        wakeLater();
    }

    @Override
    public void processElement(StreamRecord<Touch> record) {
        time.event(record.getValue().cause.eventTime, clock());
        output.collect(record);
    }

    @Override
    public void onProcessingTime(long timestamp) {
        long clock = clock();
        long reached = time.at(clock);
        if (reached != StreamTime.UNKNOWN && reached - delayMs > emitted) {
            tell(false); // what an idle stream says is not heard
            emitted = reached - delayMs;
            output.emitWatermark(new Watermark(emitted));
        }
        tell(time.isIdle(clock));
        wakeLater();
    }

    private void tell(boolean idle) {
        if (idle != isIdle) {
            isIdle = idle;
            output.emitWatermarkStatus(idle ? WatermarkStatus.IDLE : WatermarkStatus.ACTIVE);
        }
    }

    private void wakeLater() {
        long interval = getExecutionConfig().getAutoWatermarkInterval();
        if (interval > 0) { // 0: the job wants no watermarks
            getProcessingTimeService().registerTimer(clock() + interval, this);
        }
    }

    private long clock() {
        return getProcessingTimeService().getCurrentProcessingTime();
    }

    /** Lets the end of a bounded stream through; other watermarks from before are of no use here. */
    @Override
    public void processWatermark(Watermark mark) {
        if (mark.getTimestamp() == Long.MAX_VALUE) {
            output.emitWatermark(mark);
            emitted = Long.MAX_VALUE;
        }
    }

    @Override
    public void processWatermarkStatus(WatermarkStatus status) {
        // time is told by the events alone
    }
}
