package freshet.features;

import java.io.IOException;
import java.util.TreeMap;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.util.MathUtils;

/**
 * Tells of a view how many entities have been touched since the start, and how many bytes the state of one takes on average.
 *
 * <p>It watches the entities with the smallest hashes of their keys, so a hot one weighs no more than any other, and the largest
 * of these hashes tells how many entities there are (as in {@link ApproxCountDistinct}; standard error 6 %).
 */
final class EntitySample {
    private static final int SIZE = 256;
    private static final int TOUCHES_A_LOOK = 64;
    private static final double HASHES = 0x1p31;
    private static final Entity.EntitySerializer SERIALIZER = new Entity.EntitySerializer();

    private final TreeMap<Integer, Integer> bytes = new TreeMap<>();
    private final DataOutputSerializer scratch = new DataOutputSerializer(512);
    private long total;
    // Read by the threads of the metrics.
    private volatile long entities;
    private volatile long meanBytes;

    /** Makes a sample that the group's metrics {@code entities} and {@code state_bytes} tell of. */
    EntitySample(MetricGroup metrics) {
        metrics.gauge("entities", () -> entities);
        metrics.gauge("state_bytes", () -> meanBytes);
    }

    /** Sees a touch of an entity, after it; the state is measured when it is new here and then now and again. */
    void touched(String key, Entity entity) throws IOException {
        int hash = MathUtils.murmurHash(key.hashCode());
        if (bytes.size() == SIZE && hash > bytes.lastKey()) {
            return;
        }
        if (entity.count % TOUCHES_A_LOOK == 0 || !bytes.containsKey(hash)) {
            put(hash, measured(entity));
        }
    }

    private void put(int hash, int size) {
        Integer before = bytes.put(hash, size);
        total += size - (before == null ? 0 : before);
        if (bytes.size() > SIZE) {
            total -= bytes.pollLastEntry().getValue();
        }
        entities = bytes.size() < SIZE ? bytes.size() : Math.round((SIZE - 1) / ((bytes.lastKey() + 1) / HASHES));
        meanBytes = total / bytes.size();
    }

    private int measured(Entity entity) throws IOException {
        scratch.clear();
        SERIALIZER.serialize(entity, scratch);
        return scratch.length();
    }
}
