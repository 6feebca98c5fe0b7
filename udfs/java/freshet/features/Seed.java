package freshet.features;

import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** The state of one entity on its way into a savepoint: as an earlier savepoint held it, or made of archived events. */
final class Seed {
    static final TypeInformation<Seed> TYPE = new Record.Type<>(Seed.class, new SeedSerializer());

    final String key;
    final boolean isArchived;
    final Entity entity;

    Seed(String key, boolean isArchived, Entity entity) {
        this.key = key;
        this.isArchived = isArchived;
        this.entity = entity;
    }

    /** Serializes seeds. */
    public static final class SeedSerializer extends Record.Serializer<Seed> {
        private final Entity.EntitySerializer entities = new Entity.EntitySerializer();

        @Override
        public void serialize(Seed seed, DataOutputView target) throws IOException {
            Wire.writeText(target, seed.key);
            target.writeBoolean(seed.isArchived);
            entities.serialize(seed.entity, target);
        }

        @Override
        public Seed deserialize(DataInputView source) throws IOException {
            return new Seed(Wire.readText(source), source.readBoolean(), entities.deserialize(source));
        }

        @Override
        public TypeSerializerSnapshot<Seed> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Seed> {
            public Snapshot() {
                super(SeedSerializer::new);
            }
        }
    }
}
