package freshet.features;

import java.io.DataOutput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Avro's binary encoding of what our records are made of, and the head that Confluent's readers expect before them. */
public final class Avro {
    private Avro() {}

    /** Writes the zero byte and the id of the schema. */
    public static void head(DataOutput out, int schemaId) throws IOException {
        out.writeByte(0);
        out.writeInt(schemaId);
    }

    /** Writes a text of a union whose first type is null. */
    static void optional(DataOutput out, String text) throws IOException {
        number(out, text == null ? 0 : 1);
        if (text != null) {
            text(out, text);
        }
    }

    /** Writes a text; bytes are written alike. */
    public static void text(DataOutput out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        number(out, bytes.length);
        out.write(bytes);
    }

    /** Writes an int, a long, or the index of a union's type: a zigzag varint. */
    public static void number(DataOutput out, long value) throws IOException {
        long rest = value << 1 ^ value >> 63;
        while ((rest & ~0x7fL) != 0) {
            out.writeByte((int) (rest & 0x7f | 0x80));
            rest >>>= 7;
        }
        out.writeByte((int) rest);
    }
}
