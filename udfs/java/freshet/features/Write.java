package freshet.features;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** The values of one entity, ready for the store; the cause is null when only time has passed. */
final class Write implements OnlineStore.Value {
    static final TypeInformation<Write> TYPE = new Record.Type<>(Write.class, new WriteSerializer());

    final byte[] key;
    final byte[] versionField;
    final byte[] timestampField;
    final long asOf;
    final long version;
    final byte[][] fields;
    final byte[][] values;
    final Cause cause;

    Write(
            byte[] key,
            byte[] versionField,
            byte[] timestampField,
            long asOf,
            long version,
            byte[][] fields,
            byte[][] values,
            Cause cause) {
        this.key = key;
        this.versionField = versionField;
        this.timestampField = timestampField;
        this.asOf = asOf;
        this.version = version;
        this.fields = fields;
        this.values = values;
        this.cause = cause;
    }

    @Override
    public ByteBuffer place() {
        return ByteBuffer.allocate(key.length + versionField.length)
                .put(key)
                .put(versionField)
                .flip();
    }

    @Override
    public boolean isAsNewAs(OnlineStore.Value other) {
        Write write = (Write) other;
        return asOf > write.asOf || (asOf == write.asOf && version >= write.version);
    }

    @Override
    public void tell(List<byte[]> keys, List<byte[]> arguments) {
        keys.add(key);
        arguments.add(versionField);
        arguments.add(OnlineStore.number(asOf));
        arguments.add(OnlineStore.number(version));
        arguments.add(OnlineStore.number(2L * (fields.length + 1)));
        arguments.add(timestampField);
        arguments.add(Proto.timestamp(asOf));
        for (int at = 0; at < fields.length; at++) {
            arguments.add(fields[at]);
            arguments.add(values[at]);
        }
    }

    /** Serializes writes. */
    public static final class WriteSerializer extends Record.Serializer<Write> {

        @Override
        public void serialize(Write write, DataOutputView target) throws IOException {
            Wire.writeBytes(target, write.key);
            Wire.writeBytes(target, write.versionField);
            Wire.writeBytes(target, write.timestampField);
            target.writeLong(write.asOf);
            target.writeLong(write.version);
            Wire.writeSize(target, write.fields.length);
            for (int at = 0; at < write.fields.length; at++) {
                Wire.writeBytes(target, write.fields[at]);
                Wire.writeBytes(target, write.values[at]);
            }
            target.writeBoolean(write.cause != null);
            if (write.cause != null) {
                write.cause.write(target);
            }
        }

        @Override
        public Write deserialize(DataInputView source) throws IOException {
            byte[] key = Wire.readBytes(source);
            byte[] versionField = Wire.readBytes(source);
            byte[] timestampField = Wire.readBytes(source);
            long asOf = source.readLong();
            long version = source.readLong();
            byte[][] fields = new byte[Wire.readSize(source)][];
            byte[][] values = new byte[fields.length][];
            for (int at = 0; at < fields.length; at++) {
                fields[at] = Wire.readBytes(source);
                values[at] = Wire.readBytes(source);
            }
            Cause cause = source.readBoolean() ? Cause.read(source) : null;
            return new Write(key, versionField, timestampField, asOf, version, fields, values, cause);
        }

        @Override
        public TypeSerializerSnapshot<Write> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Write> {
            public Snapshot() {
                super(WriteSerializer::new);
            }
        }
    }
}
