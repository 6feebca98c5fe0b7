package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** The event behind a change of one entity, and how many entities it changes in all. */
final class Cause {
    static final TypeInformation<Cause> TYPE = new Record.Type<>(Cause.class, new CauseSerializer());

    final String view;
    final String subject;
    final String eventId;
    final int entities;
    final String eventType;
    final long eventTime;
    final String itemId;
    final String category;
    final long asOf;
    final long version;

    Cause(
            String view,
            String subject,
            String eventId,
            int entities,
            String eventType,
            long eventTime,
            String itemId,
            String category,
            long asOf,
            long version) {
        this.view = view;
        this.subject = subject;
        this.eventId = eventId;
        this.entities = entities;
        this.eventType = eventType;
        this.eventTime = eventTime;
        this.itemId = itemId;
        this.category = category;
        this.asOf = asOf;
        this.version = version;
    }

    Cause at(long newAsOf, long newVersion) {
        return new Cause(
                view, subject, eventId, entities, eventType, eventTime, itemId, category, newAsOf, newVersion);
    }

    void write(DataOutput out) throws IOException {
        Wire.writeText(out, view);
        Wire.writeText(out, subject);
        Wire.writeText(out, eventId);
        out.writeInt(entities);
        Wire.writeText(out, eventType);
        out.writeLong(eventTime);
        Wire.writeValue(out, itemId);
        Wire.writeValue(out, category);
        out.writeLong(asOf);
        out.writeLong(version);
    }

    static Cause read(DataInput in) throws IOException {
        return new Cause(
                Wire.readText(in),
                Wire.readText(in),
                Wire.readText(in),
                in.readInt(),
                Wire.readText(in),
                in.readLong(),
                (String) Wire.readValue(in),
                (String) Wire.readValue(in),
                in.readLong(),
                in.readLong());
    }

    /** Serializes causes. */
    public static final class CauseSerializer extends Record.Serializer<Cause> {

        @Override
        public void serialize(Cause cause, DataOutputView target) throws IOException {
            cause.write(target);
        }

        @Override
        public Cause deserialize(DataInputView source) throws IOException {
            return read(source);
        }

        @Override
        public TypeSerializerSnapshot<Cause> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Cause> {
            public Snapshot() {
                super(CauseSerializer::new);
            }
        }
    }
}
