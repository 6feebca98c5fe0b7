package freshet.features;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Protobuf as Feast's online store holds it: {@code ValueProto} of a feature, {@code Timestamp} of a view. */
final class Proto extends ByteArrayOutputStream {
    private static final int STRING = 2 << 3 | 2;
    private static final int INT64 = 4 << 3;
    private static final int DOUBLE = 5 << 3 | 1;
    private static final int STRING_LIST = 12 << 3 | 2;
    private static final int INT64_LIST = 14 << 3 | 2;
    private static final int DOUBLE_LIST = 15 << 3 | 2;
    private static final int ELEMENTS = 1 << 3 | 2;
    private static final int SECONDS = 1 << 3;
    private static final int NANOS = 2 << 3;
    private static final byte[] NULL = {};

    private Proto(int size) {
        super(size);
    }

    /** Returns a ValueProto; an empty one for null. */
    static byte[] value(Object value) {
        if (value == null) {
            return NULL;
        }
        Proto out = new Proto(16);
        if (value instanceof Long) {
            out.write(INT64);
            out.varint((Long) value);
        } else if (value instanceof Double) {
            out.write(DOUBLE);
            out.fixed64(Double.doubleToRawLongBits((Double) value));
        } else if (value instanceof String) {
            out.text(STRING, (String) value);
        } else {
            out.list(value);
        }
        return out.toByteArray();
    }

    private void list(Object value) {
        Proto elements = new Proto(256);
        int tag;
        if (value instanceof String[]) {
            tag = STRING_LIST;
            for (String one : (String[]) value) {
                elements.text(ELEMENTS, one);
            }
        } else if (value instanceof long[]) {
            tag = INT64_LIST;
            Proto packed = new Proto(64);
            for (long one : (long[]) value) {
                packed.varint(one);
            }
            elements.packed(packed);
        } else if (value instanceof double[]) {
            tag = DOUBLE_LIST;
            Proto packed = new Proto(256);
            for (double one : (double[]) value) {
                packed.fixed64(Double.doubleToRawLongBits(one));
            }
            elements.packed(packed);
        } else {
            throw new IllegalArgumentException("a feature cannot be a " + value.getClass().getName());
        }
        write(tag);
        varint(elements.size());
        write(elements.buf, 0, elements.count);
    }

    private void packed(Proto values) {
        if (values.count > 0) {
            write(ELEMENTS);
            varint(values.count);
            write(values.buf, 0, values.count);
        }
    }

    /** Returns a Timestamp of milliseconds since 1970; parts that are zero are left out, as Protobuf does. */
    static byte[] timestamp(long ms) {
        Proto out = new Proto(16);
        long seconds = Math.floorDiv(ms, 1000L);
        long nanos = Math.floorMod(ms, 1000L) * 1_000_000;
        if (seconds != 0) {
            out.write(SECONDS);
            out.varint(seconds);
        }
        if (nanos != 0) {
            out.write(NANOS);
            out.varint(nanos);
        }
        return out.toByteArray();
    }

    private void fixed64(long value) {
        for (int shift = 0; shift < 64; shift += 8) {
            write((int) (value >>> shift));
        }
    }

    private void varint(long value) {
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            write((int) (rest & 0x7f | 0x80));
            rest >>>= 7;
        }
        write((int) rest);
    }

    private void text(int tag, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        write(tag);
        varint(bytes.length);
        write(bytes, 0, bytes.length);
    }
}
