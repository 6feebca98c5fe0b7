package freshet.trends;

import freshet.features.Record;
import freshet.features.Wire;
import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** What some events bring to one row. */
final class RowPart {
    static final TypeInformation<RowPart> TYPE = new Record.Type<>(RowPart.class, new PartSerializer());
    private static final int ID_LENGTH = 16;

    final String place; // the id of the row's kind, and its key
    final DecayedRow row;

    RowPart(String place, DecayedRow row) {
        this.place = place;
        this.row = row;
    }

    static String place(RowKind kind, String key) {
        return kind.id + key;
    }

    static String idOf(String place) {
        return place.substring(0, ID_LENGTH);
    }

    static String keyOf(String place) {
        return place.substring(ID_LENGTH);
    }

    /** Serializes parts. */
    public static final class PartSerializer extends Record.Serializer<RowPart> {
        private static final DecayedRow.Serializer ROWS = new DecayedRow.Serializer();

        @Override
        public void serialize(RowPart part, DataOutputView target) throws IOException {
            Wire.writeText(target, part.place);
            ROWS.serialize(part.row, target);
        }

        @Override
        public RowPart deserialize(DataInputView source) throws IOException {
            return new RowPart(Wire.readText(source), ROWS.deserialize(source));
        }

        @Override
        public TypeSerializerSnapshot<RowPart> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<RowPart> {
            public Snapshot() {
                super(PartSerializer::new);
            }
        }
    }
}
