package freshet.udfs;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.InputGroup;
import org.apache.flink.table.functions.ScalarFunction;

/**
 * {@code freshet_row(version, as_of, feature, ...)}: the values of one entity as bytes, ready for the online store.
 *
 * <p>Two longs, little-endian: version and as-of time. Then for each feature its length as an unsigned 32-bit number,
 * little-endian, and a Feast {@code ValueProto}: field 4 for a long, 5 for a double, 2 for text, 12 for a list of texts,
 * nothing for a null. {@code udfs/feast_layout.py} reads it.
 */
public class FeatureRow extends ScalarFunction {
    private static final int TAG_STRING = 0x12;
    private static final int TAG_INT64 = 0x20;
    private static final int TAG_DOUBLE = 0x29;
    private static final int TAG_STRING_LIST = 0x62;
    private static final int TAG_LIST_ELEMENT = 0x0a;

    public byte[] eval(Long version, Long asOf, @DataTypeHint(inputGroup = InputGroup.ANY) Object... features) {
        Bytes row = new Bytes();
        row.fixed64(version);
        row.fixed64(asOf);
        for (Object feature : features) {
            byte[] value = encode(feature);
            row.fixed32(value.length);
            row.writeBytes(value);
        }
        return row.toByteArray();
    }

    static byte[] encode(Object feature) {
        Bytes value = new Bytes();
        if (feature instanceof Long) {
            value.write(TAG_INT64);
            value.varint((Long) feature);
        } else if (feature instanceof Double) {
            value.write(TAG_DOUBLE);
            value.fixed64(Double.doubleToRawLongBits((Double) feature));
        } else if (feature instanceof String) {
            value.text(TAG_STRING, (String) feature);
        } else if (feature instanceof Object[]) {
            Bytes list = new Bytes();
            for (Object element : (Object[]) feature) {
                list.text(TAG_LIST_ELEMENT, (String) element);
            }
            value.write(TAG_STRING_LIST);
            value.varint(list.size());
            value.writeBytes(list.toByteArray());
        } else if (feature != null) {
            throw new IllegalArgumentException("a feature cannot be a " + feature.getClass().getName());
        }
        return value.toByteArray();
    }

    /** Protobuf's few forms. */
    private static final class Bytes extends ByteArrayOutputStream {
        void fixed32(int value) {
            fixed(value, 32);
        }

        void fixed64(long value) {
            fixed(value, 64);
        }

        private void fixed(long value, int bits) {
            for (int shift = 0; shift < bits; shift += 8) {
                write((int) (value >>> shift));
            }
        }

        void varint(long value) {
            long rest = value;
            while ((rest & ~0x7fL) != 0) {
                write((int) (rest & 0x7f | 0x80));
                rest >>>= 7;
            }
            write((int) rest);
        }

        void text(int tag, String text) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            write(tag);
            varint(bytes.length);
            writeBytes(bytes);
        }
    }
}
