package freshet.trends;

import freshet.features.Record;
import freshet.features.Wire;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.core.memory.DataOutputView;

/** The state of one user: a history for each trend that needs one, under the id of the trend's definition. */
final class Shopper {
    static final long NO_TIMER = Long.MAX_VALUE;

    long timer = NO_TIMER;
    private final Map<String, History> histories = new HashMap<>(4);

    History history(String trend) {
        return histories.computeIfAbsent(trend, none -> new History());
    }

    /** Serializes shoppers. */
    public static final class Serializer extends Record.Serializer<Shopper> {

        @Override
        public boolean isImmutableType() {
            return false;
        }

        @Override
        public Shopper createInstance() {
            return new Shopper();
        }

        @Override
        public Shopper copy(Shopper from) {
            try {
                DataOutputSerializer out = new DataOutputSerializer(1024);
                serialize(from, out);
                return deserialize(new DataInputDeserializer(out.getSharedBuffer(), 0, out.length()));
            } catch (IOException error) {
                throw new IllegalStateException("a shopper cannot be copied", error);
            }
        }

        @Override
        public Shopper copy(Shopper from, Shopper reuse) {
            return copy(from);
        }

        @Override
        public void serialize(Shopper shopper, DataOutputView target) throws IOException {
            target.writeLong(shopper.timer);
            Wire.writeSize(target, shopper.histories.size());
            for (Map.Entry<String, History> one : shopper.histories.entrySet()) {
                Wire.writeText(target, one.getKey());
                one.getValue().write(target);
            }
        }

        @Override
        public Shopper deserialize(DataInputView source) throws IOException {
            Shopper shopper = new Shopper();
            shopper.timer = source.readLong();
            for (int left = Wire.readSize(source); left > 0; left--) {
                shopper.histories.put(Wire.readText(source), History.read(source));
            }
            return shopper;
        }

        @Override
        public TypeSerializerSnapshot<Shopper> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Shopper> {
            public Snapshot() {
                super(Serializer::new);
            }
        }
    }
}
