package freshet.features;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.core.memory.DataOutputView;

/**
 * The state of one entity of one view: how many events it has had, the instant that it was last evaluated for, and the state
 * of each of its features under the id of the feature's definition. One that is {@code due} holds values that the store has
 * not: a backfill has changed it.
 *
 * <p>A feature's state stays bytes until it is asked for. So a job that has gained or lost features, or a serializer that
 * knows nothing of them, reads what an earlier one wrote: known ids keep their state, new ones begin empty, others go.
 */
final class Entity {
    static final long NO_TIMER = Long.MAX_VALUE;

    long count;
    long asOf = Long.MIN_VALUE;
    long timer = NO_TIMER;
    boolean isDue;
    private long[] ids = {};
    private Slot[] slots = {};
    private transient List<Spec.Feature> features;

    /** The state of a feature, as bytes or alive. */
    private static final class Slot {
        byte[] bytes;
        Object state;
        Aggregate<Object> aggregate;

        void write(DataOutputView target, DataOutputSerializer scratch) throws IOException {
            target.writeBoolean(state != null || bytes != null);
            if (state != null) {
                scratch.clear();
                aggregate.write(state, scratch);
                Wire.writeSize(target, scratch.length());
                target.write(scratch.getSharedBuffer(), 0, scratch.length());
            } else if (bytes != null) {
                Wire.writeBytes(target, bytes);
            }
        }
    }

    /**
     * What a thread puts an entity together in. A checkpoint writes them all at once, beside the events: so it leaves no
     * garbage, and each goes to the checkpoint's stream in one piece.
     */
    private static final class Scratch {
        static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);

        final DataOutputSerializer entity = new DataOutputSerializer(4096);
        final DataOutputSerializer slot = new DataOutputSerializer(1024);
    }

    /** Makes the n-th state that of the n-th of these features. */
    void take(List<Spec.Feature> wanted) {
        if (features == wanted) {
            return;
        }
        Map<Long, Slot> known = new HashMap<>();
        for (int at = 0; at < ids.length; at++) {
            known.put(ids[at], slots[at]);
        }
        ids = wanted.stream().mapToLong(feature -> feature.id).toArray();
        slots = new Slot[ids.length];
        for (int at = 0; at < ids.length; at++) {
            Slot slot = known.getOrDefault(ids[at], new Slot());
            slot.aggregate = wanted.get(at).aggregate;
            slots[at] = slot;
        }
        features = wanted;
    }

    /** Takes over the state of some features from another entity that has the same ones. */
    void adopt(Entity other, Set<Long> adopted) {
        for (int at = 0; at < ids.length; at++) {
            if (adopted.contains(ids[at])) {
                slots[at] = other.slots[at];
            }
        }
    }

    Object state(int at) {
        Slot slot = slots[at];
        if (slot.state == null) {
            slot.state = slot.bytes == null ? slot.aggregate.zero() : alive(slot);
            slot.bytes = null;
        }
        return slot.state;
    }

    private static Object alive(Slot slot) {
        try {
            return slot.aggregate.read(new DataInputDeserializer(slot.bytes));
        } catch (IOException error) {
            throw new IllegalStateException("a feature's state cannot be read", error);
        }
    }

    /** Serializes entities. */
    public static final class EntitySerializer extends Record.Serializer<Entity> {

        @Override
        public boolean isImmutableType() {
            return false;
        }

        @Override
        public Entity createInstance() {
            return new Entity();
        }

        @Override
        public Entity copy(Entity from) {
            try {
                DataOutputSerializer out = new DataOutputSerializer(512);
                serialize(from, out);
                Entity copied = deserialize(new DataInputDeserializer(out.getSharedBuffer(), 0, out.length()));
                if (from.features != null) {
                    copied.take(from.features);
                }
                return copied;
            } catch (IOException error) {
                throw new IllegalStateException("an entity cannot be copied", error);
            }
        }

        @Override
        public Entity copy(Entity from, Entity reuse) {
            return copy(from);
        }

        @Override
        public void serialize(Entity entity, DataOutputView target) throws IOException {
            Scratch scratch = Scratch.OF_THREAD.get();
            DataOutputSerializer out = scratch.entity;
            out.clear();
            out.writeLong(entity.count);
            out.writeLong(entity.asOf);
            out.writeLong(entity.timer);
            out.writeBoolean(entity.isDue);
            Wire.writeSize(out, entity.ids.length);
            for (int at = 0; at < entity.ids.length; at++) {
                out.writeLong(entity.ids[at]);
                entity.slots[at].write(out, scratch.slot);
            }
            target.write(out.getSharedBuffer(), 0, out.length());
        }

        @Override
        public Entity deserialize(DataInputView source) throws IOException {
            Entity entity = new Entity();
            entity.count = source.readLong();
            entity.asOf = source.readLong();
            entity.timer = source.readLong();
            entity.isDue = source.readBoolean();
            entity.ids = new long[Wire.readSize(source)];
            entity.slots = new Slot[entity.ids.length];
            for (int at = 0; at < entity.ids.length; at++) {
                entity.ids[at] = source.readLong();
                entity.slots[at] = new Slot();
                entity.slots[at].bytes = source.readBoolean() ? Wire.readBytes(source) : null;
            }
            return entity;
        }

        @Override
        public TypeSerializerSnapshot<Entity> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Entity> {
            public Snapshot() {
                super(EntitySerializer::new);
            }
        }
    }
}
