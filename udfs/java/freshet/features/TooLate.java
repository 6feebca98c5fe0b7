package freshet.features;

import static freshet.features.Avro.number;
import static freshet.features.Avro.text;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.util.OutputTag;

/**
 * Tells of an event that came too late for some features of an entity, as a record of {@code interactions.rejected}.
 *
 * <p>The record is a pure function of the event and of what its entity has seen before, so a replay tells the same again. It
 * names the place of the original bytes instead of holding them: they do not come this far.
 */
final class TooLate {
    static final OutputTag<byte[]> TAG =
            new OutputTag<>("too-late", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);

    private static final String REASON = "too-late"; // as in udfs/rejections.py
    private static final String TOPIC = "interactions";
    private static final long NO_PAYLOAD = 0; // the index of null in Avro's union
    private static final long SOME_KEY = 1;

    private TooLate() {}

    /** Returns the Avro record of schemas/interactions.rejected.avsc behind Confluent's five bytes. */
    static byte[] record(int schemaId, Touch touch, List<String> features, long newest) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        DataOutputStream out = new DataOutputStream(bytes);
        Avro.head(out, schemaId);
        text(out, REASON);
        text(out, detail(touch, features, newest));
        number(out, SOME_KEY);
        text(out, touch.cause.subject);
        number(out, NO_PAYLOAD);
        text(out, TOPIC);
        number(out, touch.partition);
        number(out, touch.position);
        number(out, touch.cause.eventTime);
        return bytes.toByteArray();
    }

    private static String detail(Touch touch, List<String> features, long newest) {
        long seconds = (newest - touch.cause.eventTime) / 1000;
        return touch.cause.view + ": " + String.join(", ", features) + " cannot count an event that is " + seconds
                + " s older than what the entity stood at, " + Instant.ofEpochMilli(newest);
    }
}
