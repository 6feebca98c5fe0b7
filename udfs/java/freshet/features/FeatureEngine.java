package freshet.features;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Keeps the features of every entity of every view: each touch updates them and leaves at once as the entity's new values.
 *
 * <p>Nothing waits for a watermark. Late events are merged. When the last event of a window or the session is over and no
 * event has come, a timer evaluates the entity once more, so that the store holds the empty value and not the last one.
 */
final class FeatureEngine extends KeyedProcessFunction<String, Touch, Write> {
    private static final int STRING = 2; // Feast's ValueType.STRING

    private final Spec spec;
    private transient Map<String, Spec.View> views;
    private transient Map<String, byte[][]> fields;
    private transient ValueState<Entity> entities;
    private transient Counter tooLate;
    private transient Counter expired;

    FeatureEngine(Spec spec) {
        this.spec = spec;
    }

    @Override
    public void open(OpenContext context) {
        views = new HashMap<>();
        fields = new HashMap<>();
        for (Spec.View view : spec.views) {
            views.put(view.name, view);
            fields.put(view.name, view.features.stream().map(feature -> feature.field).toArray(byte[][]::new));
        }
        ValueStateDescriptor<Entity> descriptor = new ValueStateDescriptor<>("entity", new Entity.EntitySerializer());
        if (spec.stateTtlMs > 0) {
            // One entry a touch is looked at: all of them, over as many touches as there are entities.
            descriptor.enableTimeToLive(StateTtlConfig.newBuilder(Duration.ofMillis(spec.stateTtlMs))
                    .cleanupIncrementally(1, false)
                    .build());
        }
        entities = getRuntimeContext().getState(descriptor);
        tooLate = getRuntimeContext().getMetricGroup().addGroup("freshet").counter("late_values_dropped");
        expired = getRuntimeContext().getMetricGroup().addGroup("freshet").counter("entities_expired");
    }

    @Override
    public void processElement(Touch touch, Context context, Collector<Write> out) throws Exception {
        Spec.View view = views.get(touch.cause.view);
        if (view == null || touch.values.length != view.features.size()) {
            return; // left over from a job with other views
        }
        Entity entity = entities.value();
        if (entity == null) {
            entity = new Entity();
        }
        entity.take(view.features);
        long time = touch.cause.eventTime;
        entity.count++;
        entity.asOf = Math.max(entity.asOf, time);
        List<Spec.Feature> features = view.features;
        for (int at = 0; at < touch.values.length; at++) {
            Aggregate<Object> aggregate = features.get(at).aggregate;
            if (!aggregate.add(entity.state(at), touch.values[at], time, touch.position, entity.asOf)) {
                tooLate.inc();
            }
        }
        schedule(entity, view, context);
        entities.update(entity);
        out.collect(write(view, touch.key, entity, touch.cause.at(entity.asOf, entity.count)));
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Write> out) throws Exception {
        Entity entity = entities.value();
        String[] parts = context.getCurrentKey().split("\0", -1);
        Spec.View view = views.get(parts[0]);
        if (entity == null || view == null || entity.timer != timestamp) {
            return;
        }
        entity.take(view.features);
        entity.timer = Entity.NO_TIMER;
        if (nextExpiry(entity, view) <= timestamp) {
            entity.asOf = Math.max(entity.asOf, timestamp);
            expired.inc();
            out.collect(write(view, java.util.Arrays.copyOfRange(parts, 1, parts.length), entity, null));
        }
        schedule(entity, view, context);
        entities.update(entity);
    }

    /** Sees to it that there is a timer no later than the next instant at which a window or session is over. */
    private static void schedule(Entity entity, Spec.View view, Context context) {
        long next = nextExpiry(entity, view);
        if (next < entity.timer) {
            entity.timer = next; // one that is set for later stays, and finds nothing to do
            context.timerService().registerEventTimeTimer(next);
        }
    }

    private static long nextExpiry(Entity entity, Spec.View view) {
        long next = Aggregate.NEVER;
        List<Spec.Feature> features = view.features;
        for (int at = 0; at < features.size(); at++) {
            next = Math.min(next, features.get(at).aggregate.expiry(entity.state(at), entity.asOf));
        }
        return next;
    }

    private Write write(Spec.View view, String[] key, Entity entity, Cause cause) {
        byte[][] values = new byte[view.features.size()][];
        for (int at = 0; at < values.length; at++) {
            values[at] = Proto.value(view.features.get(at).aggregate.result(entity.state(at), entity.asOf));
        }
        return new Write(
                redisKey(view, key),
                view.versionField,
                view.timestampField,
                entity.asOf,
                entity.count,
                fields.get(view.name),
                values,
                cause);
    }

    static byte[] redisKey(Spec.View view, String[] key) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(96);
        bytes.writeBytes(view.keyHead);
        for (String part : key) {
            byte[] text = part.getBytes(StandardCharsets.UTF_8);
            bytes.writeBytes(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(STRING)
                    .putInt(text.length)
                    .array());
            bytes.writeBytes(text);
        }
        bytes.writeBytes(view.keyTail);
        return bytes.toByteArray();
    }
}
