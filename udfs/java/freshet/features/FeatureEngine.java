package freshet.features;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.TimeDomain;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Keeps the features of every entity of every view: each touch updates them and leaves at once as the entity's new values.
 *
 * <p>Nothing waits for a watermark. Late events are merged; of one that is too late for that the side output
 * {@link TooLate#TAG} tells. When the last event of a window or the session is over and no event has come, a timer evaluates the
 * entity once more, so that the store holds the empty value and not the last one.
 */
final class FeatureEngine extends KeyedProcessFunction<String, Touch, Write> {
    private static final int STRING = 2; // Feast's ValueType.STRING

    private final Spec spec;
    private transient Map<String, Spec.View> views;
    private transient Map<String, byte[][]> fields;
    private transient Map<String, EntitySample> samples;
    private transient ValueState<Entity> entities;
    private transient Counter tooLate;
    private transient Counter outside;
    private transient Counter expired;

    FeatureEngine(Spec spec) {
        this.spec = spec;
    }

    @Override
    public void open(OpenContext context) {
        views = new HashMap<>();
        fields = new HashMap<>();
        samples = new HashMap<>();
        MetricGroup metrics = getRuntimeContext().getMetricGroup().addGroup("freshet");
        for (Spec.View view : spec.views) {
            views.put(view.name, view);
            fields.put(view.name, view.features.stream().map(feature -> feature.field).toArray(byte[][]::new));
            samples.put(view.name, new EntitySample(metrics.addGroup("view", view.name)));
        }
        entities = getRuntimeContext().getState(state(spec));
        tooLate = metrics.counter("late_values_dropped");
        outside = metrics.counter("late_values_outside_window");
        expired = metrics.counter("entities_expired");
    }

    /** Describes the operator's state, to itself and to what writes it from outside. */
    static ValueStateDescriptor<Entity> state(Spec spec) {
        ValueStateDescriptor<Entity> descriptor = new ValueStateDescriptor<>("entity", new Entity.EntitySerializer());
        if (spec.stateTtlMs > 0) {
            // One entry a touch is looked at: all of them, over as many touches as there are entities.
            descriptor.enableTimeToLive(StateTtlConfig.newBuilder(Duration.ofMillis(spec.stateTtlMs))
                    .cleanupIncrementally(1, false)
                    .build());
        }
        return descriptor;
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
        entity.isDue = false;
        entity.count++;
        entity.asOf = Math.max(entity.asOf, time);
        List<String> late = add(touch, entity, view);
        if (!late.isEmpty()) {
            tooLate.inc(late.size());
            context.output(TooLate.TAG, TooLate.record(spec.rejectedSchemaId, touch, late, entity.asOf));
        }
        schedule(entity, view, context);
        entities.update(entity);
        samples.get(view.name).touched(context.getCurrentKey(), entity);
        out.collect(write(view, touch.key, entity, touch.cause.at(entity.asOf, entity.count)));
    }

    /** Adds what an event brings to each feature and returns the names of those that cannot take it any more. */
    private List<String> add(Touch touch, Entity entity, Spec.View view) {
        List<String> late = List.of();
        long time = touch.cause.eventTime;
        for (int at = 0; at < touch.values.length; at++) {
            Spec.Feature feature = view.features.get(at);
            if (!feature.aggregate.add(entity.state(at), touch.values[at], time, touch.position, entity.asOf)) {
                late = late.isEmpty() ? new ArrayList<>() : late;
                late.add(feature.name);
            } else if (touch.values[at] != null && time < entity.asOf && feature.aggregate.isOutside(time, entity.asOf)) {
                outside.inc();
            }
        }
        return late;
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Write> out) throws Exception {
        Entity entity = entities.value();
        String[] parts = context.getCurrentKey().split("\0", -1);
        Spec.View view = views.get(parts[0]);
        boolean isDue = context.timeDomain() == TimeDomain.PROCESSING_TIME; // only a backfill sets such timers
        if (entity == null || view == null || !(isDue ? entity.isDue : entity.timer == timestamp)) {
            return;
        }
        entity.take(view.features);
        boolean isOver = !isDue && passTo(timestamp, entity, view);
        if (isDue || isOver) {
            entity.isDue = false;
            expired.inc(isOver ? 1 : 0);
            out.collect(write(view, Arrays.copyOfRange(parts, 1, parts.length), entity, null));
        }
        if (!isDue) {
            entity.timer = Entity.NO_TIMER;
            schedule(entity, view, context);
        }
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

    /** Lets time pass to the last instant up to then at which a window or session was over, and tells if there was one. */
    private static boolean passTo(long instant, Entity entity, Spec.View view) {
        boolean isOver = false;
        for (long next = nextExpiry(entity, view); next <= instant; next = nextExpiry(entity, view)) {
            entity.asOf = next;
            isOver = true;
        }
        return isOver;
    }

    static long nextExpiry(Entity entity, Spec.View view) {
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
