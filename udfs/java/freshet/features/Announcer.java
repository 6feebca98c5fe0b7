package freshet.features;

import static freshet.features.Avro.number;
import static freshet.features.Avro.optional;
import static freshet.features.Avro.text;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.time.Duration;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;

/**
 * Announces an event on {@code feature-updates} once every entity that it changes has been written.
 *
 * <p>Of each event the cause of the subject's view speaks, and the others are counted: -1 for each that came before it.
 */
final class Announcer extends KeyedProcessFunction<String, Cause, Row> {
    private static final Duration FORGET = Duration.ofDays(7); // a job may be stopped for a while with events half written

    private final Spec spec;
    private transient MapState<String, Integer> left;
    private transient MapState<String, Cause> speakers;

    Announcer(Spec spec) {
        this.spec = spec;
    }

    @Override
    public void open(OpenContext context) {
        // What is complete is removed at once; what never completes is left out of the next full snapshot.
        StateTtlConfig forget =
                StateTtlConfig.newBuilder(FORGET).disableCleanupInBackground().cleanupFullSnapshot().build();
        MapStateDescriptor<String, Integer> counts = new MapStateDescriptor<>("left", Types.STRING, Types.INT);
        counts.enableTimeToLive(forget);
        left = getRuntimeContext().getMapState(counts);
        MapStateDescriptor<String, Cause> causes = new MapStateDescriptor<>("speakers", Types.STRING, Cause.TYPE);
        causes.enableTimeToLive(forget);
        speakers = getRuntimeContext().getMapState(causes);
    }

    @Override
    public void processElement(Cause cause, Context context, Collector<Row> out) throws Exception {
        boolean speaks = cause.view.equals(spec.subjectView);
        Integer known = left.get(cause.eventId);
        int remaining = (known == null ? cause.entities : known) - 1;
        if (remaining > 0) {
            left.put(cause.eventId, remaining);
            if (speaks) {
                speakers.put(cause.eventId, cause);
            }
            return;
        }
        Cause speaker = speaks ? cause : speakers.get(cause.eventId);
        if (known != null) {
            left.remove(cause.eventId);
            speakers.remove(cause.eventId);
        }
        if (speaker != null) {
            out.collect(Row.of(speaker.subject, record(speaker, System.currentTimeMillis())));
        }
    }

    /** Returns the Avro record of schemas/feature-updates.avsc behind Confluent's five bytes. */
    private byte[] record(Cause cause, long now) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        DataOutputStream out = new DataOutputStream(bytes);
        Avro.head(out, spec.updateSchemaId);
        text(out, cause.subject);
        number(out, cause.asOf);
        number(out, cause.version);
        number(out, spec.views.size());
        for (Spec.View view : spec.views) {
            text(out, view.name);
        }
        number(out, 0);
        text(out, cause.eventId);
        text(out, cause.eventType);
        number(out, cause.eventTime);
        optional(out, cause.itemId);
        optional(out, cause.category);
        number(out, now);
        number(out, 0); // no rule fired
        return bytes.toByteArray();
    }
}
