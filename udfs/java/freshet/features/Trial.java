package freshet.features;

import java.io.IOException;
import java.util.List;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** One feature outside of Flink: give it events, ask it for its value. Tests hold the arithmetic to its specification by it. */
public final class Trial {
    private final Aggregate<Object> aggregate;
    private Object state;
    private long now = Long.MIN_VALUE;

    /** Makes a feature of its description in JSON, as {@code udfs/engine_spec.py} writes it. */
    @SuppressWarnings("unchecked")
    public Trial(String json) {
        aggregate = (Aggregate<Object>) Spec.aggregate(json);
        state = aggregate.zero();
    }

    /** Adds an event that brings a number, a text, a vector, or nothing. */
    public boolean add(Object value, long time, long position) {
        now = Math.max(now, time);
        return aggregate.add(state, brought(value), time, position, now);
    }

    private static Object brought(Object value) {
        if (value instanceof List) {
            return ((List<?>) value).stream().mapToDouble(one -> ((Number) one).doubleValue()).toArray();
        }
        return value instanceof Number ? (Object) ((Number) value).doubleValue() : value;
    }

    /** Returns the value at an instant as a Feast ValueProto. */
    public byte[] value(long at) {
        return Proto.value(aggregate.result(state, at));
    }

    /** Returns when nothing of the value at an instant will be left; {@code Long.MAX_VALUE} for never. */
    public long expiry(long at) {
        return aggregate.expiry(state, at);
    }

    /** Writes the state to bytes and goes on with what is read from them. */
    public void reload() throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(64);
        aggregate.write(state, out);
        state = aggregate.read(new DataInputDeserializer(out.getCopyOfBuffer()));
    }

    /** Returns a ValueProto: of a long, a double, a text, or a list of any of them. */
    public static byte[] proto(Object value) {
        return Proto.value(value instanceof List ? array((List<?>) value) : plain(value));
    }

    private static Object plain(Object value) {
        return value instanceof Integer ? (Object) ((Integer) value).longValue() : value;
    }

    private static Object array(List<?> values) {
        Object first = values.isEmpty() ? "" : plain(values.get(0));
        if (first instanceof Long) {
            return values.stream().mapToLong(one -> ((Number) one).longValue()).toArray();
        }
        if (first instanceof Double) {
            return values.stream().mapToDouble(one -> (Double) one).toArray();
        }
        return values.toArray(String[]::new);
    }
}
