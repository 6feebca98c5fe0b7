package freshet.features;

import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * What one event brings to one entity of one view: a value for each of the view's features.
 *
 * <p>Partition and position tell where the event stood on {@code interactions}; the position orders the events of one instant.
 */
final class Touch {
    static final TypeInformation<Touch> TYPE = new Record.Type<>(Touch.class, new TouchSerializer());
    private static final char BETWEEN = '\0';

    final String[] key;
    final int partition;
    final long position;
    final Object[] values;
    final Cause cause;

    Touch(String[] key, int partition, long position, Object[] values, Cause cause) {
        this.key = key;
        this.partition = partition;
        this.position = position;
        this.values = values;
        this.cause = cause;
    }

    /** Returns the entity as one text: the view and its key's parts. */
    String entity() {
        StringBuilder entity = new StringBuilder(cause.view);
        for (String part : key) {
            entity.append(BETWEEN).append(part);
        }
        return entity.toString();
    }

    /** Serializes touches. */
    public static final class TouchSerializer extends Record.Serializer<Touch> {

        @Override
        public void serialize(Touch touch, DataOutputView target) throws IOException {
            Wire.writeSize(target, touch.key.length);
            for (String part : touch.key) {
                Wire.writeText(target, part);
            }
            target.writeInt(touch.partition);
            target.writeLong(touch.position);
            Wire.writeSize(target, touch.values.length);
            for (Object value : touch.values) {
                Wire.writeValue(target, value);
            }
            touch.cause.write(target);
        }

        @Override
        public Touch deserialize(DataInputView source) throws IOException {
            String[] key = new String[Wire.readSize(source)];
            for (int at = 0; at < key.length; at++) {
                key[at] = Wire.readText(source);
            }
            int partition = source.readInt();
            long position = source.readLong();
            Object[] values = new Object[Wire.readSize(source)];
            for (int at = 0; at < values.length; at++) {
                values[at] = Wire.readValue(source);
            }
            return new Touch(key, partition, position, values, Cause.read(source));
        }

        @Override
        public TypeSerializerSnapshot<Touch> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Touch> {
            public Snapshot() {
                super(TouchSerializer::new);
            }
        }
    }
}
