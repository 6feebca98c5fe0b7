package freshet.features;

import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;

/**
 * What time it is in the stream: that of its newest event, and from then on as the clock runs.
 *
 * <p>So windows end although nobody sends anything more. An event from the future does not move it past the clock. A source
 * that replays the past and falls silent steps aside, so that the others do not wait for it.
 */
final class StreamTime implements WatermarkGenerator<Touch> {
    static final long LIVE_MS = 60_000; // a stream whose newest event is younger than this runs with the clock
    static final long SILENT_MS = 5_000;

    private final long delayMs;
    private long newest = Long.MIN_VALUE;
    private long cameAt;
    private long lastEventAt = System.currentTimeMillis();

    StreamTime(long delayMs) {
        this.delayMs = delayMs;
    }

    @Override
    public void onEvent(Touch touch, long eventTime, WatermarkOutput output) {
        long clock = System.currentTimeMillis();
        long time = Math.min(eventTime, clock);
        if (newest == Long.MIN_VALUE || time >= newest + clock - cameAt) {
            newest = time;
            cameAt = clock;
        }
        lastEventAt = clock;
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
        long clock = System.currentTimeMillis();
        boolean isSilent = clock - lastEventAt > SILENT_MS;
        if (newest == Long.MIN_VALUE) {
            if (isSilent) {
                output.markIdle();
            }
            return;
        }
        long time = Math.min(clock, newest + clock - cameAt);
        output.emitWatermark(new Watermark(time - delayMs));
        if (isSilent && clock - time > LIVE_MS) {
            output.markIdle();
        }
    }
}
