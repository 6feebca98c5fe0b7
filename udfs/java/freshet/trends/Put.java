package freshet.trends;

import freshet.features.OnlineStore;
import freshet.features.Record;
import freshet.features.Wire;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** What is to be written: a row with its version, or a member of a sorted set with its score. */
final class Put implements OnlineStore.Value {
    static final TypeInformation<Put> TYPE = new Record.Type<>(Put.class, new PutSerializer());
    private static final String HEAD = "trend:";
    private static final String PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~:";

    final String name;
    final String member; // the row's key, or the member of the set
    final long asOf; // or the score
    final long count;
    final String row; // null for the member of a set
    private final int capacity; // of the set

    private Put(String name, String member, long asOf, long count, String row, int capacity) {
        this.name = name;
        this.member = member;
        this.asOf = asOf;
        this.count = count;
        this.row = row;
        this.capacity = capacity;
    }

    static Put row(RowKind kind, String key, DecayedRow row) {
        return new Put(kind.name, key, row.asOf, row.count, row.json(kind.emit, kind.halfLives), 0);
    }

    static Put member(RowKind kind, String member, long score) {
        return new Put(kind.name, member, score, 0, null, kind.capacity);
    }

    @Override
    public ByteBuffer place() {
        return ByteBuffer.wrap(bytes(name + '\0' + member));
    }

    @Override
    public boolean isAsNewAs(OnlineStore.Value other) {
        Put put = (Put) other;
        return row == null ? asOf <= put.asOf : asOf > put.asOf || (asOf == put.asOf && count >= put.count);
    }

    @Override
    public void tell(List<byte[]> keys, List<byte[]> arguments) {
        keys.add(bytes(HEAD + name));
        arguments.add(bytes(member));
        arguments.add(OnlineStore.number(asOf));
        if (row == null) {
            arguments.add(bytes("member"));
            arguments.add(OnlineStore.number(capacity));
        } else {
            keys.add(bytes(rowKey(name, member)));
            arguments.add(bytes("row"));
            arguments.add(OnlineStore.number(count));
            arguments.add(bytes(row));
        }
    }

    /** Returns the key of a row: percent-encoded as {@code schemas/keys.py} does it. */
    static String rowKey(String name, String key) {
        StringBuilder encoded = new StringBuilder(HEAD).append(name).append(':');
        for (byte one : bytes(key)) {
            if (one > 0 && PLAIN.indexOf(one) >= 0) {
                encoded.append((char) one);
            } else {
                encoded.append(String.format("%%%02X", one));
            }
        }
        return encoded.toString();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Serializes what is to be written. */
    public static final class PutSerializer extends Record.Serializer<Put> {

        @Override
        public void serialize(Put put, DataOutputView target) throws IOException {
            Wire.writeText(target, put.name);
            Wire.writeText(target, put.member);
            target.writeLong(put.asOf);
            target.writeLong(put.count);
            Wire.writeValue(target, put.row);
            target.writeInt(put.capacity);
        }

        @Override
        public Put deserialize(DataInputView source) throws IOException {
            return new Put(
                    Wire.readText(source),
                    Wire.readText(source),
                    source.readLong(),
                    source.readLong(),
                    (String) Wire.readValue(source),
                    source.readInt());
        }

        @Override
        public TypeSerializerSnapshot<Put> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Put> {
            public Snapshot() {
                super(PutSerializer::new);
            }
        }
    }
}
