package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** How states and records are written: varint lengths, UTF-8 text, fixed-width numbers. */
public final class Wire {
    private static final int NONE = 0;
    private static final int NUMBER = 1;
    private static final int TEXT = 2;
    private static final int VECTOR = 3;

    private Wire() {}

    public static void writeSize(DataOutput out, int size) throws IOException {
        int rest = size;
        while ((rest & ~0x7f) != 0) {
            out.writeByte(rest & 0x7f | 0x80);
            rest >>>= 7;
        }
        out.writeByte(rest);
    }

    public static int readSize(DataInput in) throws IOException {
        int size = 0;
        for (int shift = 0; ; shift += 7) {
            int next = in.readByte();
            size |= (next & 0x7f) << shift;
            if (next >= 0) {
                return size;
            }
        }
    }

    public static void writeBytes(DataOutput out, byte[] bytes) throws IOException {
        writeSize(out, bytes.length);
        out.write(bytes);
    }

    public static byte[] readBytes(DataInput in) throws IOException {
        byte[] bytes = new byte[readSize(in)];
        in.readFully(bytes);
        return bytes;
    }

    public static void writeText(DataOutput out, String text) throws IOException {
        writeBytes(out, text.getBytes(StandardCharsets.UTF_8));
    }

    public static String readText(DataInput in) throws IOException {
        return new String(readBytes(in), StandardCharsets.UTF_8);
    }

    public static void writeLongs(DataOutput out, long[] longs) throws IOException {
        writeSize(out, longs.length);
        for (long one : longs) {
            out.writeLong(one);
        }
    }

    public static long[] readLongs(DataInput in) throws IOException {
        long[] longs = new long[readSize(in)];
        for (int at = 0; at < longs.length; at++) {
            longs[at] = in.readLong();
        }
        return longs;
    }

    public static void writeDoubles(DataOutput out, double[] doubles) throws IOException {
        writeSize(out, doubles.length);
        for (double one : doubles) {
            out.writeDouble(one);
        }
    }

    public static double[] readDoubles(DataInput in) throws IOException {
        double[] doubles = new double[readSize(in)];
        for (int at = 0; at < doubles.length; at++) {
            doubles[at] = in.readDouble();
        }
        return doubles;
    }

    /** Writes a Double, a String, a vector of doubles, or null. */
    public static void writeValue(DataOutput out, Object value) throws IOException {
        if (value == null) {
            out.writeByte(NONE);
        } else if (value instanceof Double) {
            out.writeByte(NUMBER);
            out.writeDouble((Double) value);
        } else if (value instanceof double[]) {
            out.writeByte(VECTOR);
            writeDoubles(out, (double[]) value);
        } else {
            out.writeByte(TEXT);
            writeText(out, (String) value);
        }
    }

    public static Object readValue(DataInput in) throws IOException {
        switch (in.readByte()) {
            case NONE:
                return null;
            case NUMBER:
                return in.readDouble();
            case TEXT:
                return readText(in);
            case VECTOR:
                return readDoubles(in);
            default:
                throw new IOException("a value of no known kind");
        }
    }
}
